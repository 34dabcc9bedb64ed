#include "platform/sim/name_server.h"

#include <cstring>

#include "platform/sim/text.h"

namespace miagent {
namespace {

constexpr uint16_t kTypeA = 1;
constexpr uint16_t kTypeCname = 5;
constexpr uint16_t kTypeSoa = 6;
constexpr uint16_t kTypeAaaa = 28;
constexpr uint16_t kQuestionPointer = 0xC00C;

struct Message {
  uint8_t bytes[4096] = {};
  size_t size = 0;
};

void Put8(Message& message, uint32_t value) {
  if (message.size == sizeof(message.bytes)) SimFailed("a name server's answer is too large");
  message.bytes[message.size++] = static_cast<uint8_t>(value);
}

void Put16(Message& message, uint32_t value) {
  Put8(message, value >> 8 & 255);
  Put8(message, value & 255);
}

void Put32(Message& message, uint32_t value) {
  Put16(message, value >> 16);
  Put16(message, value & 0xFFFF);
}

void Set16(Message& message, size_t offset, uint32_t value) {
  message.bytes[offset] = static_cast<uint8_t>(value >> 8);
  message.bytes[offset + 1] = static_cast<uint8_t>(value & 255);
}

void PutName(Message& message, std::string_view name, bool shouts) {
  for (size_t begin = 0; begin < name.size();) {
    const size_t end = SimTextFind(name, ".", begin);
    Put8(message, static_cast<uint32_t>(end - begin));
    for (const char c : SimTextPart(name, begin, end - begin)) {
      Put8(message, static_cast<uint8_t>(shouts && c >= 'a' && c <= 'z' ? c - 32 : c));
    }
    begin = end + 1;
  }
  Put8(message, 0);
}

// Reads the query's one question.
SimNameQuery QueryRead(std::string_view request) {
  SimNameQuery query;
  const auto byte = [request](size_t at) -> uint32_t {
    if (at >= request.size()) SimFailed("a query that breaks off");
    return static_cast<uint8_t>(request[at]);
  };
  query.id = static_cast<uint16_t>(byte(0) << 8 | byte(1));
  if (byte(2) != 1 || byte(3) != 0 || byte(5) != 1) SimFailed("a query of another form");
  size_t at = 12;
  size_t size = 0;
  while (byte(at) != 0) {
    if (byte(at) > 63) SimFailed("a query with a label too long");
    if (size != 0) query.name[size++] = '.';
    for (size_t count = byte(at); count > 0; --count) {
      const uint32_t c = byte(++at);
      query.name[size++] = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    ++at;
  }
  query.type = static_cast<uint16_t>(byte(at + 1) << 8 | byte(at + 2));
  if (byte(at + 4) != 1 || request.size() != at + 5) SimFailed("a query of another form");
  return query;
}

void RecordPut(Message& message, const SimNameServer& server, const SimNameRecord& record,
               bool is_first) {
  if (is_first) {
    Put16(message, kQuestionPointer);
  } else {
    PutName(message, record.name, server.shouts);
  }
  Put16(message, record.type);
  Put16(message, 1);
  Put32(message, record.ttl_s);
  const size_t size_at = message.size;
  Put16(message, 0);
  if (record.type == kTypeCname) PutName(message, record.target, server.shouts);
  const size_t size = record.type == kTypeA ? 4 : record.type == kTypeAaaa ? 16 : 0;
  for (size_t index = 0; index < size; ++index) Put8(message, record.address.bytes[index]);
  Set16(message, size_at, static_cast<uint32_t>(message.size - size_at - 2));
}

struct Found {
  const SimNameRecord* records[kSimNameRecordCountMax] = {};
  uint32_t count = 0;
  bool exists = false;
};

Found Find(const SimNameServer& server, const SimNameQuery& query) {
  Found found;
  std::string_view name = query.name;
  for (uint32_t step = 0; step <= server.alias_step_max; ++step) {
    const SimNameRecord* alias = nullptr;
    found.exists = false;
    for (uint32_t index = 0; index < server.record_count; ++index) {
      const SimNameRecord& record = server.records[index];
      if (!SimTextEqualIgnoreCase(record.name, name)) continue;
      found.exists = true;
      if (record.type == kTypeCname) alias = &record;
      if (record.type != query.type && record.type != kTypeCname) continue;
      if (found.count == kSimNameRecordCountMax) return found;
      if (step < server.alias_step_max || record.type != kTypeCname) {
        found.records[found.count++] = &record;
      }
    }
    if (alias == nullptr || step == server.alias_step_max) break;
    name = alias->target;
  }
  return found;
}

Message AnswerMake(const SimNameServer& server, const SimNameQuery& query) {
  const Found found = Find(server, query);
  Message message;
  Put16(message, query.id);
  Put16(message, 0x8180U | (found.exists || found.count != 0 ? 0 : 3));
  Put16(message, 1);
  Put16(message, found.count);
  Put16(message, found.count == 0 && server.has_soa ? 1 : 0);
  Put16(message, 0);
  PutName(message, query.name, server.shouts);
  Put16(message, query.type);
  Put16(message, 1);
  for (uint32_t index = 0; index < found.count; ++index) {
    const uint32_t place = server.is_backward ? found.count - 1 - index : index;
    RecordPut(message, server, *found.records[place], place == 0);
  }
  if (found.count == 0 && server.has_soa) {
    Put8(message, 0);
    Put16(message, kTypeSoa);
    Put16(message, 1);
    Put32(message, 30);
    Put16(message, 22);  // two roots and five numbers
    for (uint32_t index = 0; index < 22; ++index) Put8(message, 0);
  }
  return message;
}

std::string_view TextOf(const Message& message) {
  return {reinterpret_cast<const char*>(message.bytes), message.size};
}

void MessageSend(SimExchange& exchange, const Message& message, bool is_stream) {
  if (!is_stream) return SimSend(exchange, TextOf(message));
  Message whole;
  Put16(whole, static_cast<uint32_t>(message.size));
  for (size_t index = 0; index < message.size; ++index) Put8(whole, message.bytes[index]);
  SimSend(exchange, TextOf(whole));
}

// The answer's first lines alone, with other flags.
void BareMake(Message& message, uint32_t flags) {
  Set16(message, 2, flags);
  Set16(message, 6, 0);
  Set16(message, 8, 0);
  size_t end = 12;
  while (message.bytes[end] != 0) end += message.bytes[end] + size_t{1};
  message.size = end + 5;
}

// Puts something wrong into the answer.
void Spoil(Message& message, SimNameFault fault) {
  switch (fault) {
    case SimNameFault::kServerFailure: BareMake(message, 0x8182); break;
    case SimNameFault::kServerFailureBare:
      BareMake(message, 0x8182);
      Set16(message, 4, 0);
      message.size = 12;
      break;
    case SimNameFault::kNotImplemented: BareMake(message, 0x8184); break;
    case SimNameFault::kRefused: BareMake(message, 0x8105); break;
    case SimNameFault::kReferral: BareMake(message, 0x8100); break;
    case SimNameFault::kTruncated: BareMake(message, 0x8380); break;
    case SimNameFault::kWrongId: message.bytes[0] ^= 0x40; break;
    case SimNameFault::kWrongQuestion: message.bytes[13] ^= 1; break;
    case SimNameFault::kWrongType:
      BareMake(message, 0x8180);
      message.bytes[message.size - 3] ^= 2;
      break;
    case SimNameFault::kNoAnswerBit: BareMake(message, 0x0100); break;
    case SimNameFault::kGarbage:
      for (size_t index = 0; index < message.size; ++index) message.bytes[index] ^= 0xA5;
      break;
    case SimNameFault::kCut: message.size -= message.size / 4; break;
    case SimNameFault::kPointerLoop: {
      BareMake(message, 0x8180);
      Set16(message, 6, 1);
      Put16(message, 0xC000U | static_cast<uint32_t>(message.size));
      for (uint32_t index = 0; index < 14; ++index) Put8(message, 1);
      break;
    }
    case SimNameFault::kWrongSize:
      BareMake(message, 0x8180);
      Set16(message, 6, 1);
      Put16(message, kQuestionPointer);
      Put16(message, kTypeA);
      Put16(message, 1);
      Put32(message, 60);
      Put16(message, 3);
      Put16(message, 0x0A00);
      Put8(message, 1);
      break;
    default: break;
  }
}

void FaultySend(SimExchange& exchange, Message& message, SimNameFault fault, bool is_stream) {
  const uint32_t stranger_count = fault == SimNameFault::kStrangersThenRight ? 3
                                  : fault == SimNameFault::kFlood            ? 40
                                                                             : 0;
  switch (fault) {
    case SimNameFault::kSilence: return;
    case SimNameFault::kEnd: return SimEnd(exchange);
    case SimNameFault::kHugeSize: return SimSend(exchange, "\xFF\xFFxxxxxxxx");
    case SimNameFault::kEmpty:
      message.size = 0;
      // A datagram of no bytes: SimSend has none, so one that is as useless.
      return is_stream ? MessageSend(exchange, message, true) : SimSend(exchange, "\xFF");
    default: break;
  }
  Spoil(message, fault);
  for (uint32_t index = 0; index < stranger_count; ++index) {
    Message wrong = message;
    wrong.bytes[1] = static_cast<uint8_t>(wrong.bytes[1] + index + 1);
    MessageSend(exchange, wrong, is_stream);
    SimDelay(exchange, Milliseconds(1));
  }
  if (fault != SimNameFault::kFlood) MessageSend(exchange, message, is_stream);
}

void Answer(SimNameServer& server, SimExchange& exchange, std::string_view request) {
  const bool is_stream = !exchange.server->is_datagram;
  SimNameQuery query = QueryRead(request);
  query.is_stream = is_stream;
  query.at = exchange.at;
  if (server.query_count < kSimNameQueryCountMax) server.queries[server.query_count] = query;
  ++server.query_count;
  SimNameFault fault = is_stream ? server.stream_fault : server.fault;
  if (server.fault_type != 0 && server.fault_type != query.type) fault = SimNameFault::kNone;
  if (fault != SimNameFault::kNone && server.fault_count != UINT32_MAX) {
    if (server.fault_count == 0) fault = SimNameFault::kNone;
    if (server.fault_count != 0) --server.fault_count;
  }
  Message message = AnswerMake(server, query);
  if (!is_stream && message.size > server.datagram_size_max) fault = SimNameFault::kTruncated;
  SimDelay(exchange, server.delay);
  FaultySend(exchange, message, fault, is_stream);
}

void OnDatagram(void* context, SimExchange& exchange) {
  Answer(*static_cast<SimNameServer*>(context), exchange, exchange.request);
}

void OnStream(void* context, SimExchange& exchange) {
  const std::string_view all = exchange.request;
  if (all.size() < 2) return;
  const size_t size =
      static_cast<size_t>(static_cast<uint8_t>(all[0])) << 8 | static_cast<uint8_t>(all[1]);
  if (all.size() < size + 2) return;
  SimConsume(exchange, static_cast<uint32_t>(size + 2));
  Answer(*static_cast<SimNameServer*>(context), exchange, SimTextPart(all, 2, size));
}

SimNameRecord& RecordAdd(SimNameServer& server, std::string_view name, uint16_t type,
                         uint32_t ttl_s) {
  if (server.record_count == kSimNameRecordCountMax) SimFailed("too many records");
  SimNameRecord& record = server.records[server.record_count];
  ++server.record_count;
  record = SimNameRecord{};
  SimTextCopy(record.name, sizeof(record.name), name);
  record.type = type;
  record.ttl_s = ttl_s;
  return record;
}

}  // namespace

void SimNameServerAdd(Platform& world, SimNameServer& server, const Address& address) {
  Address own = address;
  own.port = 53;
  SimServerAdd(world, own, OnDatagram, &server).is_datagram = true;
  SimServerAdd(world, own, OnStream, &server).is_raw = true;
}

void SimNameAddressAdd(SimNameServer& server, std::string_view name, const Address& address,
                       uint32_t ttl_s) {
  RecordAdd(server, name, address.is_ipv6 ? kTypeAaaa : kTypeA, ttl_s).address = address;
}

void SimNameAliasAdd(SimNameServer& server, std::string_view name, std::string_view target,
                     uint32_t ttl_s) {
  SimNameRecord& record = RecordAdd(server, name, kTypeCname, ttl_s);
  SimTextCopy(record.target, sizeof(record.target), target);
}

void SimNameEmptyAdd(SimNameServer& server, std::string_view name) {
  RecordAdd(server, name, 0, 0);
}

}  // namespace miagent
