#include "agent/dns/resolver.h"

#include <cerrno>

#include "agent/base/check.h"
#include "agent/dns/hosts.h"

namespace miagent {
namespace {

constexpr const char* kHostsPath = "/etc/hosts";
constexpr const char* kResolvPath = "/etc/resolv.conf";
constexpr size_t kSizeSize = 2;  // over TCP a message has its size before it
constexpr ResolveState kUnfinished{};

void SocketDrop(Resolver& resolver, Platform& platform) {
  if (resolver.phase != ResolverPhase::kIdle) SocketClose(platform, resolver.socket);
  resolver.phase = ResolverPhase::kIdle;
  resolver.socket = Socket{};
}

void PortSet(Resolver& resolver) {
  for (uint32_t index = 0; index < resolver.answer.count; ++index) {
    resolver.answer.items[index].port = resolver.port;
  }
}

// Ends the search: with what was found, or with the failure where nothing was.
ResolveState Finish(Resolver& resolver, Platform& platform, Status failure) {
  SocketDrop(resolver, platform);
  resolver.answer = resolver.found.addresses;
  if (resolver.answer.count == 0) {
    CHECK(!failure.ok());
    return {true, failure};
  }
  PortSet(resolver);
  const Duration life = Least(Seconds(resolver.found.ttl_s), kDnsTtlMax);
  resolver.answer_until = ClockBoot(platform) + Greatest(life, kDnsTtlMin);
  return {true, kOk};
}

// Gives a file to `feed`, block by block. One that can't be read is an empty one.
void FileFeed(Resolver& resolver, Platform& platform, const char* path,
              void (*feed)(void* reader, std::string_view piece), void* reader) {
  File file;
  if (!FileOpen(platform, path, &file).ok()) return;
  for (uint32_t block = 0; block < kDnsFileBlockCountMax; ++block) {
    const IoResult read = FileRead(platform, file, resolver.message, sizeof(resolver.message));
    if (!read.ok() || read.count == 0) break;
    feed(reader, {resolver.message, read.count});
  }
  FileClose(platform, file);
}

// RFC 6761, section 6.3: never asked for.
bool IsLocalhost(std::string_view name) {
  constexpr std::string_view kLocalhost = "localhost";
  if (name.size() < kLocalhost.size()) return false;
  const size_t rest = name.size() - kLocalhost.size();
  return EqualIgnoreCase(SliceFrom(name, rest), kLocalhost) && (rest == 0 || name[rest - 1] == '.');
}

// Finds the name, which has no dot at its end, without asking anyone.
void LocalFind(Resolver& resolver, Platform& platform, std::string_view name) {
  HostsSearch search;
  HostsSearchBegin(search, name);
  const auto feed = [](void* reader, std::string_view piece) {
    HostsSearchFeed(*static_cast<HostsSearch*>(reader), piece);
  };
  if (IsLocalhost(name)) {
    search.name = "localhost";
    feed(&search, "127.0.0.1 localhost\n::1 localhost");
  } else {
    FileFeed(resolver, platform, kHostsPath, feed, &search);
  }
  feed(&search, "\n");
  resolver.found.addresses = search.addresses;
}

// Reads whom to ask.
void ConfigRead(Resolver& resolver, Platform& platform) {
  ResolvReader reader;
  ResolvBegin(reader, &resolver.config);
  const auto feed = [](void* context, std::string_view piece) {
    ResolvFeed(*static_cast<ResolvReader*>(context), piece);
  };
  FileFeed(resolver, platform, kResolvPath, feed, &reader);
  ResolvEnd(reader);
}

// Writes the question and, before it, its size, which UDP leaves out.
void QueryWrite(const Resolver& resolver, TextWriter& writer) {
  Append(writer, std::string_view("\0\0", kSizeSize));
  DnsQueryWrite(resolver.question, writer);
  const size_t size = writer.size - kSizeSize;
  writer.data[0] = static_cast<char>(size >> 8);
  writer.data[1] = static_cast<char>(size & 255);
}

// Sends what is left of the question over TCP. Returns an errno value.
int32_t StreamSend(Resolver& resolver, Platform& platform) {
  char bytes[kSizeSize + kDnsQuerySizeMax];
  TextWriter writer{bytes, sizeof(bytes)};
  QueryWrite(resolver, writer);
  const std::string_view rest = SliceFrom(writer.text(), resolver.moved_size);
  const ConstPart part{rest.data(), rest.size()};
  const IoResult sent = SocketWrite(platform, resolver.socket, &part, 1);
  if (!sent.ok() && sent.error != EAGAIN) return sent.error;
  resolver.moved_size += sent.count;
  const bool is_sent = resolver.moved_size == writer.size;
  if (is_sent) {
    resolver.phase = ResolverPhase::kReceiving;
    resolver.moved_size = 0;
  }
  return SocketWatch(platform, resolver.socket, is_sent, !is_sent).error;
}

int32_t DatagramSend(Resolver& resolver, Platform& platform) {
  char bytes[kSizeSize + kDnsQuerySizeMax];
  TextWriter writer{bytes, sizeof(bytes)};
  QueryWrite(resolver, writer);
  const ConstPart part{bytes + kSizeSize, writer.size - kSizeSize};
  const IoResult sent = SocketWrite(platform, resolver.socket, &part, 1);
  if (!sent.ok()) return sent.error;
  return SocketWatch(platform, resolver.socket, true, false).error;
}

// Asks the server whose turn it is, with a new id on a new socket. Returns an errno value.
int32_t Ask(Resolver& resolver, Platform& platform, bool is_stream) {
  CHECK(resolver.phase == ResolverPhase::kIdle);
  char id[2];
  const IoResult filled = EntropyFill(platform, id, sizeof(id));
  if (!filled.ok()) return filled.error;
  resolver.question.id =
      static_cast<uint16_t>(static_cast<uint8_t>(id[0]) << 8 | static_cast<uint8_t>(id[1]));
  const Address& server = resolver.config.servers[resolver.server_index];
  const IoResult opened = is_stream ? SocketConnect(platform, server, &resolver.socket)
                                    : DatagramOpen(platform, server, &resolver.socket);
  if (!opened.ok()) return opened.error;
  resolver.phase = is_stream ? ResolverPhase::kSending : ResolverPhase::kDatagram;
  resolver.stranger_count = 0;
  resolver.moved_size = 0;
  ++resolver.query_count;
  const bool is_extra = resolver.found.addresses.count != 0;
  const Duration timeout =
      is_extra ? Least(resolver.config.timeout, kDnsExtraTimeout) : resolver.config.timeout;
  resolver.try_deadline = Earliest(resolver.deadline, ClockBoot(platform) + timeout);
  return is_stream ? StreamSend(resolver, platform) : DatagramSend(resolver, platform);
}

// Makes the tries of the question that are left, until one is under way. What is found already
// isn't worth more than one.
ResolveState TryOn(Resolver& resolver, Platform& platform) {
  const ResolvConfig& config = resolver.config;
  const uint32_t try_count_max =
      resolver.found.addresses.count != 0 ? 1 : config.server_count * config.attempt_count;
  while (resolver.try_count < try_count_max) {
    ++resolver.try_count;
    const int32_t error = Ask(resolver, platform, false);
    if (error == 0) return kUnfinished;
    SocketDrop(resolver, platform);
    resolver.failure = {Fault::kNameServerSilent, error};
    resolver.server_index = (resolver.server_index + 1) % config.server_count;
  }
  return Finish(resolver, platform, resolver.failure);
}

// Goes on after a try that came to nothing.
ResolveState TryFailed(Resolver& resolver, Platform& platform, Status failure) {
  SocketDrop(resolver, platform);
  resolver.failure = failure;
  resolver.server_index = (resolver.server_index + 1) % resolver.config.server_count;
  return TryOn(resolver, platform);
}

ResolveState QuestionBegin(Resolver& resolver, Platform& platform, const DnsName& name) {
  resolver.question.name = name;
  resolver.try_count = 0;
  return TryOn(resolver, platform);
}

// Begins to ask for the candidate's addresses of a type.
ResolveState TypeBegin(Resolver& resolver, Platform& platform, DnsType type) {
  resolver.question.type = type;
  resolver.found.alias_count = 0;
  return QuestionBegin(resolver, platform, resolver.candidate);
}

// Makes the next form of the name the question: as it is, or with a domain of the search list
// behind it. False: there is none left.
bool CandidateTake(Resolver& resolver) {
  const ResolvConfig& config = resolver.config;
  uint32_t label_count = 0;  // one more than dots
  for (size_t at = 0; resolver.name.bytes[at] != '\0'; ++label_count) {
    at += static_cast<size_t>(resolver.name.bytes[at]) + 1;
  }
  const bool is_first = label_count > config.dot_count;
  const uint32_t own_index = resolver.is_absolute || is_first ? 0 : config.search_count;
  const uint32_t count = resolver.is_absolute ? 1 : config.search_count + 1;
  while (resolver.candidate_index < count) {
    const uint32_t index = resolver.candidate_index++;
    resolver.candidate = resolver.name;
    if (index == own_index) return true;
    DnsName domain;
    const std::string_view text = ResolvSearch(config, index - (index > own_index ? 1 : 0));
    if (DnsNameParse(text, &domain) && DnsNameExtend(resolver.candidate, domain)) return true;
  }
  return false;
}

// Goes on with the next form of the name, unless the last one has addresses.
ResolveState CandidateBegin(Resolver& resolver, Platform& platform) {
  if (resolver.found.addresses.count == 0 && CandidateTake(resolver)) {
    return TypeBegin(resolver, platform, DnsType::kA);
  }
  const Fault fault = resolver.has_no_address ? Fault::kNameNoAddress : Fault::kNameUnknown;
  return Finish(resolver, platform, {fault});
}

// Goes on after all addresses of one type, of which there may be none.
ResolveState TypeEnd(Resolver& resolver, Platform& platform) {
  if (resolver.question.type == DnsType::kA) return TypeBegin(resolver, platform, DnsType::kAaaa);
  resolver.has_no_address = true;
  return CandidateBegin(resolver, platform);
}

// Goes on after a server's answer.
ResolveState Judge(Resolver& resolver, Platform& platform, std::string_view message) {
  const bool is_stream = resolver.phase != ResolverPhase::kDatagram;
  const DnsVerdict verdict = DnsAnswerRead(message, resolver.question, &resolver.found);
  if (verdict == DnsVerdict::kStranger && !is_stream &&
      ++resolver.stranger_count < kDnsStrangerCountMax) {
    return kUnfinished;
  }
  SocketDrop(resolver, platform);
  switch (verdict) {
    case DnsVerdict::kTruncated:
      if (!is_stream) {
        const int32_t error = Ask(resolver, platform, true);
        if (error == 0) return kUnfinished;
        return TryFailed(resolver, platform, {Fault::kNameServerSilent, error});
      }
      break;
    case DnsVerdict::kAddresses:
    case DnsVerdict::kNoAddress: return TypeEnd(resolver, platform);
    case DnsVerdict::kAlias: return QuestionBegin(resolver, platform, resolver.found.alias);
    case DnsVerdict::kNoName: return CandidateBegin(resolver, platform);
    case DnsVerdict::kFailed: return TryFailed(resolver, platform, {Fault::kNameServerFailed});
    case DnsVerdict::kRefused: return TryFailed(resolver, platform, {Fault::kNameServerRefused});
    case DnsVerdict::kStranger:
    case DnsVerdict::kMalformed: break;
  }
  return TryFailed(resolver, platform, {Fault::kNameMalformed});
}

ResolveState DatagramReceive(Resolver& resolver, Platform& platform) {
  const IoResult received =
      SocketRead(platform, resolver.socket, resolver.message, sizeof(resolver.message));
  if (received.error == EAGAIN) return kUnfinished;
  if (!received.ok()) {
    return TryFailed(resolver, platform, {Fault::kNameServerSilent, received.error});
  }
  return Judge(resolver, platform, {resolver.message, received.count});
}

ResolveState StreamReceive(Resolver& resolver, Platform& platform) {
  CHECK(resolver.moved_size < sizeof(resolver.message));
  const IoResult received =
      SocketRead(platform, resolver.socket, resolver.message + resolver.moved_size,
                 sizeof(resolver.message) - resolver.moved_size);
  if (received.error == EAGAIN) return kUnfinished;
  if (!received.ok() || received.count == 0) {
    return TryFailed(resolver, platform, {Fault::kNameServerSilent, received.error});
  }
  resolver.moved_size += received.count;
  if (resolver.moved_size < kSizeSize) return kUnfinished;
  const size_t size = static_cast<size_t>(static_cast<uint8_t>(resolver.message[0])) << 8 |
                      static_cast<uint8_t>(resolver.message[1]);
  if (size > sizeof(resolver.message) - kSizeSize) {
    return TryFailed(resolver, platform, {Fault::kNameMalformed});
  }
  if (resolver.moved_size < kSizeSize + size) return kUnfinished;
  return Judge(resolver, platform, {resolver.message + kSizeSize, size});
}

// Begins a search that only name servers can end.
ResolveState SearchBegin(Resolver& resolver, Platform& platform) {
  ConfigRead(resolver, platform);
  resolver.candidate_index = 0;
  resolver.server_index = 0;
  resolver.has_no_address = false;
  return CandidateBegin(resolver, platform);
}

}  // namespace

ResolveState ResolverBegin(Resolver& resolver, Platform& platform, std::string_view name,
                           uint16_t port, Instant deadline) {
  CHECK(resolver.phase == ResolverPhase::kIdle);
  const bool is_absolute = EndsWith(name, ".");
  DnsName parsed;
  Address address;
  const bool is_numeric = DnsAddressParse(name, 0, &address);
  if (!is_numeric && !DnsNameParse(name, &parsed)) return {true, {Fault::kNameSyntax}};
  resolver.port = port;
  const bool is_kept = !is_numeric && ClockBoot(platform) < resolver.answer_until &&
                       is_absolute == resolver.is_absolute && DnsNameEqual(parsed, resolver.name);
  if (is_kept) {
    PortSet(resolver);
    return {true, kOk};
  }
  ResolverForget(resolver);
  resolver.name = parsed;
  resolver.is_absolute = is_absolute;
  resolver.deadline = deadline;
  resolver.found = DnsAnswer{};
  if (is_numeric) {
    DnsAddressAdd(resolver.found.addresses, address);
  } else {
    LocalFind(resolver, platform, Slice(name, 0, name.size() - (is_absolute ? 1 : 0)));
  }
  if (resolver.found.addresses.count == 0) return SearchBegin(resolver, platform);
  resolver.found.ttl_s = 0;
  return Finish(resolver, platform, kOk);
}

ResolveState ResolverOnEvent(Resolver& resolver, Platform& platform, const Event& event) {
  if (event.kind != EventKind::kSocket || resolver.phase == ResolverPhase::kIdle ||
      event.socket.handle != resolver.socket.handle) {
    return kUnfinished;
  }
  if (resolver.phase == ResolverPhase::kSending) {
    const int32_t error = StreamSend(resolver, platform);
    if (error == 0) return kUnfinished;
    return TryFailed(resolver, platform, {Fault::kNameServerSilent, error});
  }
  if (!event.readable) return kUnfinished;
  return resolver.phase == ResolverPhase::kDatagram ? DatagramReceive(resolver, platform)
                                                    : StreamReceive(resolver, platform);
}

ResolveState ResolverOnDeadline(Resolver& resolver, Platform& platform, Instant now) {
  if (now < ResolverNextDeadline(resolver)) return kUnfinished;
  // Who only talked nonsense wasn't silent.
  const bool was_silent = resolver.stranger_count == 0;
  const Status failure{was_silent ? Fault::kNameServerSilent : Fault::kNameMalformed};
  if (now >= resolver.deadline) return Finish(resolver, platform, failure);
  return TryFailed(resolver, platform, failure);
}

Instant ResolverNextDeadline(const Resolver& resolver) {
  return resolver.phase == ResolverPhase::kIdle ? kInstantNever : resolver.try_deadline;
}

void ResolverClose(Resolver& resolver, Platform& platform) { SocketDrop(resolver, platform); }

void ResolverForget(Resolver& resolver) {
  resolver.answer.count = 0;
  resolver.answer_until = Instant{};
}

}  // namespace miagent
