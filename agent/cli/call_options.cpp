#include "agent/cli/call_options.h"

#include "agent/base/address.h"
#include "agent/base/bytes.h"
#include "agent/dns/message.h"

namespace miagent {
namespace {

// These are miagent's own to write: a second one would change where the request ends, or whose
// token it has.
constexpr char kReserved[][18] = {"Authorization", "Host",   "Content-Length", "Transfer-Encoding",
                                  "Connection",    "Expect", "Upgrade"};

// RFC 9110's token.
bool IsNameByte(char c) {
  constexpr std::string_view kOther = "!#$%&'*+-.^_`|~";
  return IsAlpha(c) || IsDigit(c) || Find(kOther, c) != kOther.size();
}

const char* HeaderJudge(std::string_view text) {
  if (text.size() > kCallHeaderSizeMax) return "takes a --header of at most 1024 bytes";
  if (Find(text, ':') == text.size()) return "expects --header 'Name: value'";
  std::string_view name;
  std::string_view value;
  CallHeaderSplit(text, &name, &value);
  if (name.empty()) return "expects --header 'Name: value'";
  for (const char c : name) {
    if (!IsNameByte(c)) return "got a --header whose name has a character that no header's has";
  }
  for (const char c : value) {
    if (c < 0x20 || c > 0x7E) {
      return "got a --header whose value has a line end or another byte that no header's has";
    }
  }
  for (const auto& reserved : kReserved) {
    if (EqualIgnoreCase(name, reserved)) {
      return "writes itself: Authorization, Host, Content-Length, Transfer-Encoding, Connection,"
             " Expect and Upgrade are no --header";
    }
  }
  return nullptr;
}
static_assert(kCallHeaderSizeMax == 1024 && kCallMethodSizeMax == 16 && kCallUrlSizeMax == 4096,
              "as the messages say");

}  // namespace

void CallHeaderSplit(std::string_view text, std::string_view* name, std::string_view* value) {
  const size_t colon = Find(text, ':');
  *name = Slice(text, 0, colon);
  *value = Trim(SliceFrom(text, colon + 1));
}

const char* CallUrlJudge(CallOptions& options) {
  const std::string_view text = options.url_text;
  if (text.size() > kCallUrlSizeMax) return "is longer than 4096 bytes";
  if (Find(text, "://") == text.size()) return "has no scheme: begin it with https://";
  const char* const problem = UrlParse(text, &options.url);
  if (problem != nullptr) return problem;
  if (!options.url.is_https) return "is plain http: call sends a token, by https alone";
  if (options.url.host.size() > kHostSizeMax) return "has a host of more than 255 bytes";
  Address address;
  DnsName name;
  if (!AddressParse(options.url.host, options.url.port, &address) &&
      !DnsNameParse(options.url.host, &name)) {
    return "has a host that is neither a name nor a numeric address";
  }
  if (options.url.path.empty()) options.url.path = "/";
  return nullptr;
}

const char* CallOptionsJudge(CallOptions& options) {
  if (options.method.empty()) options.method = options.data.empty() ? "GET" : "POST";
  if (options.method.size() > kCallMethodSizeMax || options.method == "CONNECT") {
    return "expects --method as GET, PUT or DELETE: up to 16 upper-case letters, not CONNECT";
  }
  for (const char c : options.method) {
    if (c < 'A' || c > 'Z') return "expects --method in upper-case letters, as PUT";
  }
  for (uint32_t index = 0; index < options.header_count; ++index) {
    const char* const problem = HeaderJudge(options.headers[index]);
    if (problem != nullptr) return problem;
  }
  return nullptr;
}

}  // namespace miagent
