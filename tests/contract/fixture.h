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

#include "platform/platform.h"

namespace miagent {

enum class PeerEnd { kStay, kClose, kReset };

// A peer that accepts one connection after the other and treats each so.
struct PeerPlan {
  std::string greeting;     // said at once
  size_t request_size = 0;  // then it reads this much
  std::string answer;       // and says this
  PeerEnd end = PeerEnd::kStay;
  bool reads = true;  // false: not before PeerRead is called
  bool is_ipv6 = false;
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
  void EnvironmentPut(const char* name, const char* value);
  void OutputCapture();  // from now on standard output is kept …
  std::string OutputTaken();  // … until here
  void OutputBreak();  // standard output has lost its reader
  uint32_t OwnUid();
  uint32_t HandleCount();  // open now, since the start of the fixture

  // True when the calls in `misuse` end the process.
  static bool Traps(const std::function<void()>& misuse);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace miagent
