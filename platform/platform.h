// The seam between the agent and the world.
//
// Purpose: every way in which the agent touches anything outside its own memory is one of the
//          verbs below. The functions are chosen at link time: platform/linux for the product,
//          platform/sim for the simulator. Both keep the same contract (tests/contract).
// Owns:    handles; each that was handed out is given back by its Close verb, once.
// Clock:   BOOTTIME for waiting; the wall clock is only read.
// Errors:  an errno value of the host, 0 for success; each verb names those that callers tell
//          apart. No verb blocks except Wait (and the writes to standard output and error). EINTR
//          never escapes: the verb tries again.
// Never:   allocates, throws, logs, or includes anything of agent/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "platform/address.h"
#include "platform/time.h"

namespace miagent {

// All state of one world: the process's own (linux) or one of many simulated (sim).
struct Platform;

// What a verb reports: an errno value (0: success) and, for reads and writes, the bytes moved.
struct [[nodiscard]] IoResult {
  int32_t error = 0;
  uint32_t count = 0;
  constexpr bool ok() const { return error == 0; }
};

// A piece of what is written; the verbs write several in one call.
struct ConstPart {
  const char* data = nullptr;
  size_t size = 0;
};
inline constexpr size_t kWritePartCountMax = 16;

// ---- clock, entropy, waiting ----------------------------------------------------------------

// Now, on the clock that runs through suspend. Never goes back.
Instant ClockBoot(Platform& platform);

// Now, as the wall clock has it; may be wrong by decades and may step either way.
WallTime ClockWall(Platform& platform);

// Fills `size` bytes (at most 256) from the kernel's random source; waits for it at early boot.
IoResult EntropyFill(Platform& platform, char* bytes, size_t size);

// HUP, USR1, USR2, TERM and INT, CHLD (a child ended: ChildReap), CONT and whatever else a wrapper
// passes on. A wrapper goes by Event's signal_number instead.
enum class Signal : uint8_t { kNone, kReload, kRefresh, kReport, kStop, kChild, kOther };

enum class EventKind : uint8_t { kSocket, kSignal };

struct Socket {
  int32_t handle = -1;
};

// Something that happened. For a socket: it may be read (data, end or error) or written without
// waiting; level-triggered, so what isn't used up is reported again by the next Wait. A connection
// that failed or was reset is reported as both, whichever is watched.
struct Event {
  Socket socket;
  EventKind kind = EventKind::kSocket;
  Signal signal = Signal::kNone;
  uint8_t signal_number = 0;      // the host's, with kSignal
  bool is_from_terminal = false;  // ^C, ^Z: the whole foreground group, children too, got it
  bool readable = false;
  bool writable = false;
};

// Waits until something happened or `deadline` passed (kInstantNever: no deadline). Returns the
// count of events stored, 0 to `event_count_max` (at least 1); 0 means that the deadline passed,
// or nothing: callers look at the clock. Never returns before both an event and the deadline,
// but for spurious wake-ups. Where there is more to tell than room, the next Waits tell the rest:
// no socket starves. Signals of one kind that are pending together are one.
size_t Wait(Platform& platform, Instant deadline, Event* events, size_t event_count_max);

enum class SignalSet : uint8_t {
  kAgent,  // HUP, USR1, USR2, TERM, INT and CHLD
  kWrapper,  // these and every other that can be caught and isn't a fault of the program itself
};

// From now on the signals of the set arrive as events and not by their default action. Once, at
// start: what comes before a child is started is not lost to it.
IoResult SignalsWatch(Platform& platform, SignalSet set);

// ---- sockets --------------------------------------------------------------------------------

// Opens a non-blocking TCP socket with TCP_NODELAY and begins to connect. Success means begun:
// the outcome shows in the first SocketWrite after the socket was reported ready. On an error
// nothing is left open. Told apart by callers: EACCES, EPERM, ENETUNREACH, EHOSTUNREACH (a policy
// or no route), ECONNREFUSED.
IoResult SocketConnect(Platform& platform, const Address& address, Socket* socket);

// Opens a non-blocking UDP socket on a new random port, and connects it: only what `server` sends
// from that very address comes. Success says nothing about the server; that it refuses shows in a
// later read or write (ECONNREFUSED), once, and the socket stays good. Each SocketWrite sends one
// datagram, whole; each SocketRead takes one: what has no room is lost, and count 0 is an empty
// one. On an error nothing is left open; EACCES, ENETUNREACH and so on as SocketConnect.
IoResult DatagramOpen(Platform& platform, const Address& server, Socket* socket);

// Chooses what Wait reports of the socket. A new socket is watched for neither; one that is watched
// for neither is never reported, not even its end.
IoResult SocketWatch(Platform& platform, Socket socket, bool for_reading, bool for_writing);

// Receives up to `size` bytes. EAGAIN: none there yet. count 0 without an error: the peer ended.
// An error (ECONNRESET, ECONNREFUSED) is told once, by read or write; after it a read is the end
// and a write EPIPE.
IoResult SocketRead(Platform& platform, Socket socket, char* bytes, size_t size);

// Sends the parts in order, perhaps not all (count says how much). EAGAIN: not yet connected, or
// no room now. A connection that failed reports its error here. Never raises SIGPIPE (EPIPE). The
// first write after the peer's end may be taken, and is lost.
IoResult SocketWrite(Platform& platform, Socket socket, const ConstPart* parts, size_t part_count);

// Gives the socket back; what Wait had to say about it is dropped.
void SocketClose(Platform& platform, Socket socket);

// ---- files ----------------------------------------------------------------------------------
// Paths and names are NUL-terminated. A name has no '/'.

struct Directory {
  int32_t handle = -1;
};

struct File {
  int32_t handle = -1;
};

// What the directory gate judges, read from the open descriptor.
struct DirectoryFacts {
  uint32_t owner_uid = 0;
  uint32_t mode = 0;  // permission bits, with sticky and set-id
  bool on_memory_fs = false;  // tmpfs or ramfs
};

struct FileFacts {
  uint32_t owner_uid = 0;
  uint32_t group_gid = 0;
  uint32_t mode = 0;  // permission bits, with set-id
  bool is_regular = false;
  uint64_t size = 0;  // bytes
  WallTime accessed_at_wall;
  WallTime modified_at_wall;
  uint32_t accessed_ns = 0;  // nanoseconds of the times' seconds
  uint32_t modified_ns = 0;
};

// Opens a directory. A symbolic link as the last component is refused (ELOOP or ENOTDIR), and so
// is a path that would hide one: an end in "/" or "/." (EINVAL), but for "/" itself.
IoResult DirectoryOpen(Platform& platform, const char* path, Directory* directory);
IoResult DirectoryInspect(Platform& platform, Directory directory, DirectoryFacts* facts);

// Calls `visit` for each name in the directory but "." and "..", in no particular order. `visit`
// may remove the entry that it was called for. Once for each opening of the directory. ENOENT: it
// has been removed itself.
using DirectoryVisit = void (*)(void* context, const char* name);
IoResult DirectoryList(Platform& platform, Directory directory, DirectoryVisit visit,
                       void* context);
void DirectoryClose(Platform& platform, Directory directory);

// Opens an existing file for reading, by path (links are followed: the configuration). Waits where
// the user names a FIFO that nobody writes to. A directory opens too; reading it is EISDIR.
IoResult FileOpen(Platform& platform, const char* path, File* file);

// Opens an existing file for reading, in a directory; a symbolic link is refused (ELOOP), and a
// FIFO or device doesn't block.
IoResult FileOpenAt(Platform& platform, Directory directory, const char* name, File* file);

// Creates a new file for writing, mode 0600; a name that exists is refused (EEXIST), a link too.
IoResult FileCreate(Platform& platform, Directory directory, const char* name, File* file);

IoResult FileInspect(Platform& platform, File file, FileFacts* facts);

// Reads up to `size` bytes on from the last read. count 0 without an error: the end.
IoResult FileRead(Platform& platform, File file, char* bytes, size_t size);

// Writes the parts in order, perhaps not all. ENOSPC, EDQUOT, EIO, EROFS as they come.
IoResult FileWrite(Platform& platform, File file, const ConstPart* parts, size_t part_count);

IoResult FileSetOwner(Platform& platform, File file, uint32_t uid, uint32_t gid);
IoResult FileSetMode(Platform& platform, File file, uint32_t mode);

// Sets both times of a file. File systems with coarser times cut them.
struct FileTimes {
  WallTime accessed_at_wall;
  WallTime modified_at_wall;
  uint32_t accessed_ns = 0;
  uint32_t modified_ns = 0;
};
IoResult FileSetTimes(Platform& platform, File file, const FileTimes& times);
IoResult FileSync(Platform& platform, File file);
void FileClose(Platform& platform, File file);

// Puts `from` in the place of `to`, which may exist, in one step, both in one directory.
IoResult FileRename(Platform& platform, Directory directory, const char* from, const char* to);

// Removes a name (ENOENT where there is none).
IoResult FileRemove(Platform& platform, Directory directory, const char* name);

// ---- the process ----------------------------------------------------------------------------

struct ProcessFacts {
  uint32_t uid = 0;  // effective
  uint32_t gid = 0;  // effective
  uint32_t pid = 0;
  uint64_t seed = 0;  // the kernel's, another for each process; no key is to be made of it
};
ProcessFacts ProcessInspect(Platform& platform);

// Whether a process of this id exists, as far as this process can see.
bool ProcessIsAlive(Platform& platform, uint32_t pid);

// ---- children -------------------------------------------------------------------------------

enum class ChildRole : uint8_t {
  // The program that a wrapper exists for. It has this process's standard streams, environment,
  // process group and so its terminal; SIGTERM reaches it when this process dies without a word.
  kService,
  // A notification's program: its own process group, no standard input, standard output and error
  // in one pipe, only the environment that is given. Its working directory is "/".
  kHook,
};

struct ChildPlan {
  ChildRole role = ChildRole::kService;
  const char* const* arguments = nullptr;  // NUL-terminated strings, then a null
  const char* const* environment = nullptr;  // kHook: the same; kService: not used
};

// Starts a program. Signals, limits and descriptors are for it as they were for this process when
// it began; no other descriptor of this process is open in it. kService: arguments[0] is looked up
// in PATH where it has no '/'. kHook: it is a path, and `output` the pipe's end, to be watched,
// read and closed as a socket. Success means that the program was loaded. ENOENT: there is none;
// EACCES, ENOEXEC: not executable; EAGAIN, ENOMEM, EMFILE: not now. After an error nothing is left
// behind.
IoResult ChildStart(Platform& platform, const ChildPlan& plan, uint32_t* pid, Socket* output);

// Sends a signal to a child, or to the process group it leads, that has not been reaped yet.
IoResult ChildSignal(Platform& platform, uint32_t pid, int32_t signal_number, bool is_group);

struct ChildEnd {
  uint32_t pid = 0;
  uint8_t exit_code = 0;
  uint8_t signal_number = 0;  // 0: it exited by itself
};

// Takes note of one child that has ended, in the order in which the kernel tells; false: there is
// none now. As PID 1 that may be an orphan of another.
bool ChildReap(Platform& platform, ChildEnd* end);

// Stops this process, as ^Z does, until it is continued.
void ProcessSuspend(Platform& platform);

// Another process, by a handle that goes on meaning that very process when its id is used again.
struct Process {
  int32_t handle = -1;
};
// ESRCH: there is none of this id. ENOSYS: a kernel before 5.3.
IoResult ProcessOpen(Platform& platform, uint32_t pid, Process* process);
// ESRCH: it is over. EPERM: not permitted.
IoResult ProcessSignal(Platform& platform, Process process, int32_t signal_number);
void ProcessClose(Platform& platform, Process process);

// ---- the process, and who listens to it -----------------------------------------------------

// The value of an environment variable; empty where it is unset or empty. Lives as long as the
// process.
std::string_view EnvironmentGet(Platform& platform, const char* name);

// Writes everything to standard output; may wait for its reader. EPIPE, ENOSPC, EIO as they come.
IoResult OutputWrite(Platform& platform, const ConstPart* parts, size_t part_count);

// Reads up to `size` bytes of standard input; waits for them. count 0 without an error: the end.
IoResult InputRead(Platform& platform, char* bytes, size_t size);

// Writes one line, its newline included, to standard error; failures are ignored, as there is
// nowhere to tell them. A reader that has stopped is waited for a moment a line, not longer.
void LogWrite(Platform& platform, std::string_view line);

// Sends one datagram to a local socket: a path, or an abstract name begun by '@'. ENOENT,
// ECONNREFUSED: nobody is there. EAGAIN: no room at the receiver now. ENAMETOOLONG, EINVAL: no name
// of a socket. One descriptor, opened at first use and kept, serves every receiver; the address is
// looked up each time, so that one that was started anew is found.
IoResult LocalSend(Platform& platform, std::string_view name, std::string_view text);

// Now, in microseconds of CLOCK_MONOTONIC, which stands still in suspend: for a supervisor that
// compares it with its own. Nothing here waits by it.
int64_t ClockMonotonicUs(Platform& platform);

// Whether a descriptor that this process was started with is open. From then on no child gets it.
bool DescriptorIsOpen(Platform& platform, int32_t descriptor);

// Writes a few bytes to such a descriptor, and closes it whatever came of that. EAGAIN: its reader
// left no room. EPIPE: it has none.
IoResult DescriptorTell(Platform& platform, int32_t descriptor, std::string_view text);

// Keeps memory out of swap where that is permitted: pages are locked as they are touched.
void MemoryLock(Platform& platform, void* data, size_t size);

}  // namespace miagent
