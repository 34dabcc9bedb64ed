// The variables and settings that choose and shape a source: whatever they hold, what is found is
// sound, and the request that comes of it is one request, that says what it should and no more.

#include "agent/limits.h"
#include "agent/source/source.h"
#include "agent/tls/trust.h"
#include "tests/fuzz/fuzz.h"

namespace miagent {
namespace {

constexpr std::string_view kRequestId = "01234567-89ab-4cde-8f01-23456789abcd";
constexpr std::string_view kFileSecret = "key.of-a/file+==";

enum FieldId : size_t {
  kSettingEndpoint,
  kIdentityEndpoint,
  kIdentityHeader,
  kThumbprint,
  kImdsEndpoint,
  kMsiEndpoint,
  kMsiSecret,
  kTokenFile,
  kClientId,
  kTenantId,
  kPodAuthorityHost,
  kDefaultClientId,
  kApiVersion,
  kAuthorityHost,
  kResource,
  kIdentity,
  kFlags,
  kFieldCount,
};

SourceEnvironment EnvironmentOf(const std::vector<Bytes>& fields, uint32_t flags) {
  SourceEnvironment environment;
  environment.identity_endpoint = fields[kIdentityEndpoint].text();
  environment.identity_header = fields[kIdentityHeader].text();
  environment.identity_server_thumbprint = fields[kThumbprint].text();
  environment.imds_endpoint = fields[kImdsEndpoint].text();
  environment.msi_endpoint = fields[kMsiEndpoint].text();
  environment.msi_secret = fields[kMsiSecret].text();
  environment.federated_token_file = fields[kTokenFile].text();
  environment.client_id = fields[kClientId].text();
  environment.tenant_id = fields[kTenantId].text();
  environment.pod_identity_authority_host = fields[kPodAuthorityHost].text();
  environment.default_client_id = fields[kDefaultClientId].text();
  environment.api_version = fields[kApiVersion].text();
  environment.authority_host = fields[kAuthorityHost].text();
  environment.has_arc_agent = (flags & 1) != 0;
  return environment;
}

// Forty hexadecimal digits, whatever separates them.
std::string ThumbprintOf(std::string_view text) {
  std::string bytes;
  std::string digits;
  for (const char c : text) {
    if (c == ':' || c == ' ' || c == '\t') continue;
    if (std::strchr("0123456789abcdefABCDEF", c) == nullptr || c == '\0') return {};
    digits += c;
  }
  if (digits.size() != 40) return {};
  for (size_t index = 0; index < 40; index += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(index, 2), nullptr, 16));
  }
  return bytes;
}

void EndpointJudge(SourceId id, const SourceEnvironment& environment, const Endpoint& endpoint) {
  MUST(endpoint.port != 0 || endpoint.authority.empty());
  MUST(IsPrintable(endpoint.authority) && IsPrintable(endpoint.path));
  MUST(endpoint.authority.find(' ') == std::string_view::npos);
  MUST(endpoint.path.find_first_of(" #") == std::string_view::npos);
  MUST(IsPrintable({endpoint.secret.data, endpoint.secret.size}));
  MUST(endpoint.secret.size <= kSecretHeaderSizeMax);
  MUST(endpoint.thumbprint.empty() == (id != SourceId::kServiceFabric));
  const std::string expected = ThumbprintOf(environment.identity_server_thumbprint);
  TlsTrust trust;
  MUST(TlsTrustThumbprint(environment.identity_server_thumbprint, &trust) == !expected.empty());
  if (!endpoint.thumbprint.empty()) {
    MUST(expected.size() == kThumbprintSize);
    MUST(endpoint.thumbprint == environment.identity_server_thumbprint);
    MUST(std::memcmp(expected.data(), trust.thumbprint, kThumbprintSize) == 0);
    MUST(endpoint.is_https);
  }
}

// One request: a head of printable lines, and a body of the length that it says.
void RequestJudge(std::string_view request, const std::string& resource) {
  const size_t head_size = request.find("\r\n\r\n");
  MUST(head_size != request.npos);
  std::string_view head = request.substr(0, head_size + 2);
  const std::string_view body = request.substr(head_size + 4);
  size_t body_size = 0;
  size_t host_count = 0;
  for (bool is_first = true; !head.empty(); is_first = false) {
    const size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    MUST(IsPrintable(line) && !line.empty());
    if (is_first) {
      MUST(StartsWith(line, "GET /") || StartsWith(line, "POST /"));
      MUST(EndsWith(line, " HTTP/1.1"));
      MUST(std::count(line.begin(), line.end(), ' ') == 2);
      MUST(body.empty() == StartsWith(line, "GET"));
    } else {
      const size_t colon = line.find(": ");
      MUST(colon != line.npos && colon != 0);
      host_count += line.substr(0, colon) == "Host";
      MUST(line.substr(0, colon) != "Transfer-Encoding");
      if (line.substr(0, colon) == "Content-Length") {
        body_size = std::stoul(std::string(line.substr(colon + 2)));
      }
    }
    head.remove_prefix(end + 2);
  }
  MUST(host_count == 1 && body_size == body.size());
  // The resource stands there percent-encoded, so once and without a meaning of its own.
  std::string encoded;
  for (const char c : resource) {
    char hex[4];
    const bool is_plain = std::isalnum(static_cast<uint8_t>(c)) != 0 ||
                          (c != '\0' && std::strchr("-._~", c) != nullptr);
    std::snprintf(hex, sizeof(hex), "%%%02X", static_cast<uint8_t>(c));
    encoded += is_plain ? std::string(1, c) : hex;
  }
  MUST(request.find(encoded) != request.npos);
}

}  // namespace
}  // namespace miagent

FUZZ_TARGET(input) {
  constexpr size_t kSizesMax[] = {512, 1000, 3000, 200, 1000, 1000, 3000, 511, 512,
                                  500, 1000, 512,  100, 1000, 512,  512,  10};
  static_assert(sizeof(kSizesMax) / sizeof(kSizesMax[0]) == kFieldCount);
  std::vector<Bytes> fields;
  std::vector<std::string> kept = Fields(Expand(input, 5000), kFieldCount);
  for (size_t index = 0; index < kFieldCount; ++index) {
    std::string& field = kept[index];
    field = field.substr(0, std::min(kSizesMax[index], field.find('\0')));
    // The platform hands variables out with the NUL behind their end, and code relies on it.
    fields.emplace_back(field + '\0');
  }
  const uint32_t flags = kept[kFlags].empty() ? 0 : static_cast<uint8_t>(kept[kFlags][0]);
  SourceEnvironment environment;
  std::vector<Bytes>& memory = fields;
  environment = EnvironmentOf(memory, flags);
  for (std::string_view* text :
       {&environment.identity_endpoint, &environment.identity_header,
        &environment.identity_server_thumbprint, &environment.imds_endpoint,
        &environment.msi_endpoint, &environment.msi_secret, &environment.federated_token_file,
        &environment.client_id, &environment.tenant_id, &environment.pod_identity_authority_host,
        &environment.default_client_id, &environment.api_version, &environment.authority_host}) {
    text->remove_suffix(1);
  }
  const SourceId detected = SourceDetect(environment);
  MUST(detected < SourceId::kCount);
  for (uint32_t index = 0; index < static_cast<uint32_t>(SourceId::kCount); ++index) {
    const auto id = static_cast<SourceId>(index);
    if (id == SourceId::kKeyVault) continue;  // no setting and no variable leads there
    SourceSetting setting;
    setting.endpoint = kept[kSettingEndpoint];
    const auto kind = static_cast<IdentityKind>(flags >> 1 & 3);
    const bool has_identity = kind != IdentityKind::kNone && !kept[kIdentity].empty() &&
                              (SourceLookUp(id).identities & IdentityBit(kind)) != 0;
    if (has_identity) setting.identity = {kind, kept[kIdentity]};
    Endpoint endpoint;
    const char* culprit = nullptr;
    const char* const problem = SourceFindEndpoint(id, setting, environment, &endpoint, &culprit);
    MUST(culprit != nullptr);
    MUST(problem == nullptr || IsPrintable(problem));
    if (problem != nullptr) continue;
    EndpointJudge(id, environment, endpoint);
    if (endpoint.authority.empty()) endpoint.authority = "login.microsoftonline.com";
    TokenQuery query;
    query.resource = kept[kResource];
    query.identity = setting.identity;
    query.bypass_cache = (flags & 8) != 0;
    query.request_id = kRequestId;
    if ((flags & 16) != 0 || !endpoint.assertion_path.empty()) {
      query.file_secret = {kFileSecret.data(), kFileSecret.size()};
    }
    auto request = std::make_unique<char[]>(kRequestSizeMax);
    TextWriter writer{request.get(), kRequestSizeMax};
    SourceWrite(id, endpoint, query, writer);
    MUST(!writer.overflowed);
    RequestJudge(writer.text(), id == SourceId::kWorkloadIdentity ? "" : kept[kResource]);
  }
}
