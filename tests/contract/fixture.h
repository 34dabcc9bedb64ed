// What the contract's tests ask of a world, whichever platform is behind platform.h.
//
// Each platform has its own: linux_fixture.cpp sets up real peers on loopback and
// real folders, sim_fixture.cpp simulated ones. The tests know no difference.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/platform.h"

namespace miagent {

enum class PeerEnd { kStay, kClose, kReset };

// A peer of datagrams.
struct DatagramPlan {
  std::vector<std::string> answers;  // to each datagram it gets
  bool has_stranger = false;         // another socket says "stranger" first
  bool is_ipv6 = false;
};

// A peer that accepts one connection after the other and treats each so.
struct PeerPlan {
  std::string greeting;     // said at once
  size_t request_size = 0;  // then it reads this much
  std::string answer;       // and says this
  PeerEnd end = PeerEnd::kStay;
  bool reads = true;  // false: not before PeerRead is called
  bool is_ipv6 = false;
};

// A program that can be started.
struct ProgramPlan {
  std::string output;
  uint8_t exit_code = 0;
  bool stays = false;         // until a signal ends it
  bool ignores_term = false;
  bool may_execute = true;
};

class Fixture {
 public:
  Fixture();
  ~Fixture();  // checks that no handle is left open
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  Platform& platform();

  Address PeerListen(const PeerPlan& plan);  // port 0 where IPv6 is asked for and there is none
  Address PeerAbsent();  // an address that refuses
  Address PeerSilent();  // an address that never answers a connect
  Address DatagramListen(const DatagramPlan& plan);  // port 0 as PeerListen
  Address DatagramAbsent();  // an address that refuses datagrams
  void PeerRead();
  std::string PeerReceived();  // by the last peer, so far

  std::string DirectoryMake(uint32_t mode);                   // new and empty, on tmpfs
  std::optional<std::string> DiskDirectoryMake();             // not on tmpfs, where there is one
  std::optional<std::string> FullDirectoryMake(size_t room);  // with so much room, where permitted
  void DirectoryRemove(const std::string& path);
  void FilePut(const std::string& path, std::string_view content);
  std::string FileGet(const std::string& path);
  void LinkPut(const std::string& path, const std::string& target);
  void DirectoryLinkPut(const std::string& path, const std::string& target);
  void FifoPut(const std::string& path);

  void SignalSend(Signal signal);
  void SignalNumberSend(int number);
  std::string ProgramPut(
      const ProgramPlan& plan);  // its path; what it does with $1 and $A: no more

  // Another process, which any signal ends; what ended it (SIGKILL: the fixture did).
  uint32_t ProcessPut();
  int ProcessEnd(uint32_t pid);
  // The same with an id that is used again, where that can be brought about.
  std::optional<uint32_t> ProcessPutAgain(uint32_t pid);

  void EnvironmentPut(const char* name, const char* value);
  void OutputCapture();  // from now on standard output is kept …
  std::string OutputTaken();  // … until here
  void OutputBreak();  // standard output has lost its reader
  void InputPut(const std::string& text);  // what standard input is, to its end; once
  std::string ReceiverPut(bool is_abstract);  // takes datagrams; its name for LocalSend
  std::string ReceiverTaken();  // the next datagram; empty where there is none
  void ReceiverFill();  // sends until there is no room; nobody takes
  void ReceiverEnd();  // goes away, and leaves its path
  void ReceiverAgain();  // another one, at the same name
  int32_t DescriptorPut();  // one that this process was started with …
  std::string DescriptorTaken();  // … and what its reader got, to its end
  uint32_t OwnUid();
  uint32_t HandleCount();  // open now, since the start of the fixture

  // True when the calls in `misuse` end the process.
  static bool Traps(const std::function<void()>& misuse);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace miagent
