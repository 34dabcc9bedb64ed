// The simulated world: the verbs of platform.h on memory and a virtual clock.
//
// Purpose: the product's own object code runs years in seconds, and meets every fault that a
//          kernel, a network and a disk can cause. Several worlds live in one process.
// Owns:    everything behind the seam: clocks, sockets, directories, files, signals, children and
//          other processes, standard output, log, environment. Fixed capacities, all in `struct
//          Platform` (about 10 MB: static or on a test's heap, never on a stack).
// Clock:   virtual. Only Wait moves it: to the next event or deadline, whichever is first.
// Errors:  what a call is made to fail with (SimFail, on_verb), else what Linux would say.
// Never:   real time, real I/O, randomness other than from the seed. So one seed is one history,
//          told by trace_hash.
//
// A misuse (a closed handle, a wait that nothing can end, a loop in which time stands still) calls
// SimFailed.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "platform/platform.h"

namespace miagent {

inline constexpr size_t kSimSocketCountMax = 16;
inline constexpr size_t kSimServerCountMax = 12;  // three name servers are six
inline constexpr size_t kSimRequestSizeMax = 16 * 1024;  // sent to a server and not yet taken
inline constexpr size_t kSimAnswerSizeMax = 128 * 1024;  // sent by a server and not yet taken
inline constexpr size_t kSimSegmentCountMax = 64;
inline constexpr size_t kSimDirectoryCountMax = 16;
inline constexpr size_t kSimFileCountMax = 160;  // 128 files, temporary ones, the configuration
inline constexpr size_t kSimFileSizeMax = 64 * 1024;
inline constexpr size_t kSimOpenCountMax = 64;  // of files and directories each
inline constexpr size_t kSimPathSizeMax = 512;
inline constexpr size_t kSimNameSizeMax = 256;
inline constexpr size_t kSimHappeningCountMax = 64;
inline constexpr size_t kSimFaultCountMax = 16;
inline constexpr size_t kSimVariableCountMax = 32;
inline constexpr size_t kSimProgramCountMax = 8;
inline constexpr size_t kSimChildCountMax = 16;  // alive, or ended and not reaped
inline constexpr size_t kSimProcessCountMax = 16;
inline constexpr size_t kSimSentCountMax = 16;  // signals that are remembered, of each process
inline constexpr size_t kSimArgumentSizeMax = 2048;
inline constexpr size_t kSimSignalNumberMax = 64;
inline constexpr size_t kSimTextSizeMax = 64 * 1024;  // of log and of standard output
inline constexpr size_t kSimReceiverCountMax = 4;
inline constexpr size_t kSimReceiverNameSizeMax = 107;  // sun_path's 108 bytes with its NUL
inline constexpr uint32_t kSimStillTurnCountMax = 100'000;

// One for each verb of platform.h, in its order.
enum class Verb : uint8_t {
  kClockBoot,
  kClockWall,
  kEntropyFill,
  kWait,
  kSignalsWatch,
  kSocketConnect,
  kDatagramOpen,
  kSocketWatch,
  kSocketRead,
  kSocketWrite,
  kSocketClose,
  kDirectoryOpen,
  kDirectoryInspect,
  kDirectoryList,
  kDirectoryClose,
  kFileOpen,
  kFileOpenAt,
  kFileCreate,
  kFileInspect,
  kFileRead,
  kFileWrite,
  kFileSetOwner,
  kFileSetMode,
  kFileSetTimes,
  kFileSync,
  kFileClose,
  kFileRename,
  kFileRemove,
  kProcessInspect,
  kProcessIsAlive,
  kChildStart,
  kChildSignal,
  kChildReap,
  kProcessSuspend,
  kProcessOpen,
  kProcessSignal,
  kProcessClose,
  kEnvironmentGet,
  kOutputWrite,
  kInputRead,
  kLogWrite,
  kLocalSend,
  kClockMonotonicUs,
  kDescriptorIsOpen,
  kDescriptorTell,
  kMemoryLock,
  kCount,
};
inline constexpr size_t kVerbCount = static_cast<size_t>(Verb::kCount);

struct SimExchange;  // platform/sim/server.h

// How a server meets a connection.
enum class SimGreeting : uint8_t {
  kAccept,
  kRefuse,  // `greeting_error` shows after `latency`
  kSilent,  // the connection never comes about
  kDeny,    // SocketConnect itself says `greeting_error`: a policy, no route
};

// Answers one complete request, or (SimServer::is_raw) whatever arrived.
using SimAnswering = void (*)(void* context, SimExchange& exchange);

// A listening peer. Its fields may be changed at any time.
struct SimServer {
  bool in_use = false;
  Address address;
  SimGreeting greeting = SimGreeting::kAccept;
  int32_t greeting_error = ECONNREFUSED;
  Duration latency = Milliseconds(1);  // one way
  bool reads = true;                   // false: takes nothing, so that room runs out
  bool is_raw = false;                 // on_request for every arrival; SimConsume takes bytes
  bool is_datagram = false;  // UDP: on_request for each datagram, answers are datagrams
  size_t window_size = kSimRequestSizeMax;
  void* context = nullptr;
  SimAnswering on_connect = nullptr;  // may speak first, or reset
  SimAnswering on_request = nullptr;
  uint32_t connection_count = 0;  // accepted since the start
  uint32_t request_count = 0;  // complete ones since the start
};

enum class SimSegmentKind : uint8_t { kBytes, kEnd, kReset };

// Something a server sends: bytes, perhaps in pieces at intervals, or the connection's end.
struct SimSegment {
  SimSegmentKind kind = SimSegmentKind::kBytes;
  Instant at;  // when the first piece reaches the agent
  uint32_t offset = 0;
  uint32_t size = 0;
  uint32_t taken_size = 0;
  uint32_t piece_size = 0;  // 0: all at once. One SocketRead never crosses a piece's end
  Duration piece_gap;
};

enum class SimSocketState : uint8_t { kConnecting, kConnected, kFailed };

struct SimSocket {
  bool in_use = false;
  uint16_t generation = 0;
  bool for_reading = false;
  bool for_writing = false;
  bool is_pipe = false;  // the reading end of a child's output
  SimSocketState state = SimSocketState::kConnecting;
  bool is_datagram = false;
  int32_t server_index = -1;
  int32_t error = 0;  // pending: reported once, by the first read or write
  bool is_broken = false;  // reset or failed: reads end, writes are EPIPE
  Instant change_at = kInstantNever;  // the connection comes about, or fails
  int32_t change_error = 0;
  Instant arrive_at = kInstantNever;  // what was written reaches the server
  Instant refuse_at = kInstantNever;  // what was written after the end is answered by a reset
  uint32_t request_size = 0;  // bytes at the server, or under way
  uint32_t request_index = 0;  // complete requests so far
  uint32_t answer_size = 0;
  uint32_t segment_first = 0;
  uint32_t segment_count = 0;
  SimSegment segments[kSimSegmentCountMax];
};

struct SimDirectory {
  bool in_use = false;
  bool is_link = false;
  bool is_gone = false;  // moved away or removed: reached by open handles only
  bool is_removed = false;  // nothing can be created in it any more
  bool read_only = false;
  bool on_memory_fs = true;
  uint32_t gone_order = 0;  // of those that are: the last has the highest
  uint32_t owner_uid = 0;
  uint32_t group_gid = 0;
  uint32_t mode = 0755;
  char path[kSimPathSizeMax] = {};
};

enum class SimFileKind : uint8_t { kRegular, kLink, kFifo };

// A file, which has at most one name. It lives on without, while it is open.
struct SimFile {
  bool in_use = false;
  bool is_named = false;
  SimFileKind kind = SimFileKind::kRegular;
  uint32_t directory_index = 0;
  uint32_t open_count = 0;
  uint32_t owner_uid = 0;
  uint32_t group_gid = 0;
  uint32_t mode = 0600;
  uint32_t size = 0;
  uint64_t serial = 0;  // another one with each change of the content
  bool is_synced = true;
  WallTime modified_at_wall;
  WallTime accessed_at_wall;  // only set, never moved by reading, as where atime is after mtime
  uint32_t accessed_ns = 0;
  uint32_t modified_ns = 0;
  char name[kSimNameSizeMax] = {};
};

struct SimOpen {
  bool in_use = false;
  uint16_t generation = 0;
  bool for_writing = false;
  bool is_directory = false;  // a file handle on one: it can't be read
  uint32_t index = 0;  // of the file or directory
  uint32_t offset = 0;
};

// Signals that a process got, in order.
struct SimSent {
  uint32_t count = 0;  // all of them; the first kSimSentCountMax are kept
  uint8_t numbers[kSimSentCountMax] = {};
};

// A program that ChildStart finds, and what each of its children does. Its fields may be changed at
// any time; a child that runs keeps to what it began with, but for what signals do to it.
struct SimProgram {
  bool in_use = false;
  int32_t start_error = 0;  // what ChildStart says instead
  Duration runs = Milliseconds(1);  // then it ends; kTimeMax: only by a signal
  uint8_t exit_code = 0;
  uint8_t dies_by = 0;  // a signal, in place of the exit code
  uint64_t ignored_signals = 0;  // bits by number
  bool catches_term = false;  // SIGTERM: it exits by itself, with the exit code …
  Duration term_takes;  // … after this time
  std::string_view output;  // lives as long as the program; printed …
  Duration output_after;  // … this time after the start
  uint32_t output_piece_size = 0;  // 0: all at once; else in pieces, a gap apart
  Duration output_gap;
  bool closes_output = false;  // after what it prints, not at its end
  bool leaves_output_open = false;  // another has it too and doesn't end
  uint32_t start_count = 0;  // from here on, what happened
  uint32_t end_count = 0;
  SimSent sent;  // to any of its children
  Instant started_at;  // the last of them
  ChildRole role = ChildRole::kService;
  char path[kSimPathSizeMax] = {};
  char arguments[kSimArgumentSizeMax] = {};  // of the last child, each with a newline behind it
  char environment[kSimArgumentSizeMax] = {};  // the same
};

struct SimChild {
  bool in_use = false;
  bool is_ended = false;  // and waits to be reaped
  bool is_stopped = false;
  uint8_t exit_code = 0;
  uint8_t signal_number = 0;
  uint8_t held_number = 0;  // came while it was stopped: it will die by it
  uint32_t pid = 0;
  int32_t program_index = -1;  // an orphan: none
  ChildRole role = ChildRole::kService;
  Instant ends_at = kInstantNever;
  Duration rest;  // of its time, while it is stopped
  uint64_t end_order = 0;
  Socket output;
};

// Another process, not a child.
struct SimProcess {
  bool in_use = false;
  bool is_alive = false;
  uint32_t pid = 0;
  uint32_t uid = 0;
  SimSent sent;
};

enum class SimHappeningKind : uint8_t { kSignal, kWallStep, kSuspend, kCall };
using SimCall = void (*)(void* context, Platform& world);

// Something that comes over the agent at an instant.
struct SimHappening {
  bool in_use = false;
  SimHappeningKind kind = SimHappeningKind::kCall;
  Instant at;
  uint8_t signal_number = 0;
  bool is_from_terminal = false;
  Duration duration;
  SimCall call = nullptr;
  void* context = nullptr;
};

struct SimFault {
  bool in_use = false;
  Verb verb = Verb::kCount;
  int32_t error = 0;
  uint32_t skip = 0;
  uint32_t count = 0;
  uint32_t fired_count = 0;
};

struct SimVariable {
  bool in_use = false;
  char name[64] = {};
  char value[kSimPathSizeMax] = {};
};

// Who takes datagrams at a local name. Its settings may be changed at any time.
struct SimReceiver {
  bool in_use = false;
  bool is_gone = false;  // nobody listens there now: ECONNREFUSED
  bool is_full = false;  // EAGAIN
  uint32_t message_count = 0;
  char name[kSimReceiverNameSizeMax + 1] = {};
};

// Text that the agent wrote. When it is full the older half is dropped.
struct SimText {
  uint32_t size = 0;
  uint64_t total_size = 0;
  char bytes[kSimTextSizeMax];
  std::string_view text() const { return {bytes, size}; }
};

// Before each verb: 0 lets it go on, an errno makes it fail (verbs that report none ignore it).
// May leave by longjmp: the agent is killed there (then SimKill).
using SimBefore = int32_t (*)(void* context, Platform& world, Verb verb);

// After each verb that reports: what it said.
using SimAfter = void (*)(void* context, Platform& world, Verb verb, IoResult result);

// For each line logged, its newline included.
using SimOnLog = void (*)(void* context, std::string_view line);

// For each datagram that was taken.
using SimOnLocal = void (*)(void* context, std::string_view name, std::string_view text);

struct Platform {
  // Settings: to be changed at will.
  void* hook_context = nullptr;
  SimBefore before_verb = nullptr;
  SimAfter after_verb = nullptr;
  SimOnLog on_log = nullptr;
  SimOnLocal on_local = nullptr;
  int32_t inherited_descriptor = -1;  // one that the agent was started with; -1 again once closed
  ProcessFacts process{0, 0, 1000};
  uint32_t alive_pid = 0;  // another process that exists
  int32_t unreachable_error = ECONNREFUSED;  // an address where no server is: 0 is silence
  uint32_t socket_read_size_max = 0;  // of one call; 0: no limit
  uint32_t socket_write_size_max = 0;
  uint32_t file_read_size_max = 0;
  uint32_t file_write_size_max = 0;
  uint32_t next_pid = 2000;  // of the next child
  Duration suspended_for = Seconds(1);  // then SIGCONT comes, after ProcessSuspend
  uint64_t space_left = UINT64_MAX;  // bytes, for all directories together
  uint32_t still_turn_count_max = kSimStillTurnCountMax;

  // Facts: to be read by tests.
  Instant now;
  uint64_t verb_counts[kVerbCount] = {};
  uint64_t trace_hash = 0;  // of every verb, its time and its outcome
  uint32_t open_handle_count = 0;
  uint64_t locked_size = 0;  // bytes given to MemoryLock
  Signal killed_by = Signal::kNone;  // a signal that came before SignalsWatch, or isn't in its set
  SimText log;
  SimText output;
  std::string_view input;  // what standard input still has
  SimText told;  // by DescriptorTell

  // The rest is the simulator's own.
  uint64_t seed = 0;
  uint64_t entropy_state = 0;
  uint64_t random_state = 0;
  int64_t true_wall_at_boot_ms = 0;
  int64_t wall_error_ms = 0;  // the agent's wall clock less the true one, at drift_since
  int64_t wall_drift_ppm = 0;
  Instant drift_since;
  bool signals_watched = false;
  SignalSet signal_set = SignalSet::kAgent;
  bool signals_pending[kSimSignalNumberMax + 1] = {};  // by number
  bool signals_from_terminal[kSimSignalNumberMax + 1] = {};
  uint64_t child_end_count = 0;
  uint32_t gone_count = 0;
  uint64_t serial = 0;  // of the last change to a file
  Duration suspended;  // so far: the monotonic clock stood still
  uint32_t still_turn_count = 0;
  Instant last_turn_at;
  uint32_t turn_index = 0;
  bool is_woken = false;  // a call of a test happened in this Wait, which ends it
  SimServer servers[kSimServerCountMax];
  SimSocket sockets[kSimSocketCountMax];
  SimDirectory directories[kSimDirectoryCountMax];
  SimFile files[kSimFileCountMax];
  SimOpen open_files[kSimOpenCountMax];
  SimOpen open_directories[kSimOpenCountMax];
  SimProgram programs[kSimProgramCountMax];
  SimChild children[kSimChildCountMax];
  SimProcess processes[kSimProcessCountMax];
  SimOpen open_processes[kSimProcessCountMax];
  SimHappening happenings[kSimHappeningCountMax];
  SimFault faults[kSimFaultCountMax];
  SimVariable variables[kSimVariableCountMax];
  SimReceiver receivers[kSimReceiverCountMax];
  char request_bytes[kSimSocketCountMax][kSimRequestSizeMax];
  char answer_bytes[kSimSocketCountMax][kSimAnswerSizeMax];
  char file_bytes[kSimFileCountMax][kSimFileSizeMax];
  char scratch_token[kSimFileSizeMax];  // where servers compose; nothing outlives the hook's call
  char scratch_body[kSimFileSizeMax];
  char scratch_answer[kSimAnswerSizeMax];
};

// What stops the simulation when the agent misuses the seam, or the test the simulator. Weak: a
// test may have its own.
[[noreturn]] void SimFailed(const char* what);

// ---- the world ------------------------------------------------------------------------------

// Makes a new world out of `world`, whatever was there: boot instant 0, true time 2025-06-15
// 15:06:40 UTC and the agent's wall clock right, no files, no servers, agent's uid and gid 0.
void SimStart(Platform& world, uint64_t seed);

// The agent dies: handles are closed (servers see the connections end), signals forgotten, files
// stay as they are. The world goes on.
void SimKill(Platform& world);

// Lets `duration` pass while no agent runs.
void SimPass(Platform& world, Duration duration);

// The machine is a virtual one: keeps all of it in `snapshot`, and puts it back, `away` after the
// present moment. Then the machine's clocks, files and processes are as they were; true time, the
// servers, what tests have set and what they count have gone on, what was planned is dropped, and
// the servers know none of the machine's connections. What the agent's memory was is the caller's
// to keep.
void SimSnapshotTake(const Platform& world, Platform& snapshot);
void SimSnapshotRestore(Platform& world, const Platform& snapshot, Duration away);

// The next number of the stream that tests draw from; independent of what the agent is given.
uint64_t SimRandom(Platform& world);

// The true time, which servers go by.
WallTime SimTrueTime(const Platform& world);
void SimTrueTimeSet(Platform& world, WallTime now_wall);  // the agent's error stays as it is

// The agent's wall clock: read, set, stepped, made to gain `ppm` millionths.
WallTime SimWall(const Platform& world);
void SimWallSet(Platform& world, WallTime now_wall);
void SimWallStep(Platform& world, Duration step);
void SimWallDrift(Platform& world, int64_t ppm);

// What comes over the agent at an instant: a signal, a step of the wall clock, a sleep (the boot
// clock runs on, deadlines inside are late), whatever a test does.
void SimSignalAt(Platform& world, Instant at, Signal signal);
void SimSignalNumberAt(Platform& world, Instant at, int32_t number, bool is_from_terminal);
void SimWallStepAt(Platform& world, Instant at, Duration step);
void SimSuspendAt(Platform& world, Instant at, Duration duration);
void SimCallAt(Platform& world, Instant at, SimCall call, void* context);

// Makes calls of `verb` fail with `error`: after `skip` more good ones, `count` of them. For Wait:
// returns at once with nothing, a spurious wake-up. Returns the fault, to read fired_count.
const SimFault* SimFail(Platform& world, Verb verb, int32_t error, uint32_t skip, uint32_t count);

uint64_t SimVerbCount(const Platform& world, Verb verb);
void SimEnvironmentSet(Platform& world, const char* name, std::string_view value);
bool SimLogContains(const Platform& world, std::string_view text);

// ---- files and directories ------------------------------------------------------------------
// Set-up by tests: no permission is checked, no fault fires, nothing is counted.

SimDirectory& SimDirectoryAdd(Platform& world, const char* path, uint32_t owner_uid, uint32_t mode,
                              bool on_memory_fs);

// A symbolic link where a directory is expected.
void SimDirectoryLinkAdd(Platform& world, const char* path);

// Takes the directory out of the name space with its files, so that another can be put there; open
// handles still reach it. Moved away (or unmounted), or removed, when it must be empty.
void SimDirectoryMove(Platform& world, const char* path);
void SimDirectoryRemove(Platform& world, const char* path);

// Puts the one that was moved away last back into its place, which is free: mounted again.
void SimDirectoryReturn(Platform& world, const char* path);

// Creates the file, or gives it new content. Its directory is made (0755, root, memory) if need be.
SimFile& SimFileAdd(Platform& world, const char* path, std::string_view content, uint32_t mode);

// A symbolic link to `target`, an absolute path; or a FIFO.
void SimLinkAdd(Platform& world, const char* path, std::string_view target);
void SimFifoAdd(Platform& world, const char* path);

// The file of that name, links not followed; nullptr where there is none.
SimFile* SimFileFind(Platform& world, const char* path);
void SimFileRemove(Platform& world, const char* path);
std::string_view SimFileContent(const Platform& world, const SimFile& file);
uint32_t SimFileCount(const Platform& world, const char* directory_path);

// ---- processes ------------------------------------------------------------------------------

// A program that can be started by this path, or name.
SimProgram& SimProgramAdd(Platform& world, const char* path);

// Someone else's child ends at `at`, and this process, PID 1, inherits it.
void SimOrphanAt(Platform& world, Instant at, uint32_t pid, uint8_t exit_code);

// Another process, with its /proc/PID/status; one that ended before may have had this id.
SimProcess& SimProcessAdd(Platform& world, uint32_t pid, uint32_t uid);
void SimProcessEnd(Platform& world, SimProcess& process);

// ---- servers --------------------------------------------------------------------------------

SimServer& SimServerAdd(Platform& world, const Address& address, SimAnswering on_request,
                        void* context);
Address SimAddress(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);

// Someone who takes datagrams at a path or an abstract name begun by '@'.
SimReceiver& SimReceiverAdd(Platform& world, std::string_view name);

// ---- for the simulator's own files ----------------------------------------------------------

enum class SimHandleKind : uint8_t { kSocket = 1, kDirectory = 2, kFile = 3, kProcess = 4 };

// Counts, traces and asks faults: what a verb begins with. An errno, or 0: go on.
int32_t SimEnter(Platform& world, Verb verb);

// What a verb ends with: traces and tells.
IoResult SimLeave(Platform& world, Verb verb, IoResult result);

int32_t SimHandleMake(SimHandleKind kind, uint16_t generation, size_t index);
size_t SimHandleIndex(SimHandleKind kind, int32_t handle, size_t count);
uint16_t SimHandleGeneration(int32_t handle);

void SimTextAppend(SimText& text, std::string_view bytes);

// What the socket verbs do with a datagram socket, and what arrives from one at its server.
IoResult SimDatagramRead(Platform& world, SimSocket& socket, char* bytes, size_t size);
IoResult SimDatagramWrite(Platform& world, SimSocket& socket, const ConstPart* parts,
                          size_t part_count);
void SimDatagramsTake(Platform& world, SimSocket& socket);

// The index of the server there; -1 where none is. A free socket with that server, or null: EMFILE.
int32_t SimServerFind(const Platform& world, const Address& address, bool is_datagram);
SimSocket* SimSocketTake(Platform& world, int32_t server_index);
Socket SimSocketHandle(const Platform& world, const SimSocket& socket);
SimExchange SimExchangeMake(Platform& world, SimSocket& socket, Instant at);

// Network events that are due, and when the next thing happens on the network.
void SimNetStep(Platform& world);
Instant SimNetNext(const Platform& world);
size_t SimNetCollect(Platform& world, Event* events, size_t event_count_max);
void SimNetKill(Platform& world);
void SimDiskKill(Platform& world);

// The reading end of a pipe that begins with `text`, as the program says. False: no handle is left.
bool SimPipeOpen(Platform& world, const SimProgram& program, Socket* output);
// The writer is gone: what it had not yet printed never comes, and the end does, if `has_end`.
void SimPipeEnd(Platform& world, Socket output, bool has_end);

// Makes a signal come over the agent, now.
void SimSignalArrive(Platform& world, uint8_t number, bool is_from_terminal);

// Children that end by now; when the next does.
void SimProcessStep(Platform& world);
Instant SimProcessNext(const Platform& world);
void SimProcessKill(Platform& world);
bool SimProcessIsAlive(const Platform& world, uint32_t pid);

}  // namespace miagent
