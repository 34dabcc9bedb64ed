// The first process of a machine that has nothing but miagent: it does what Debian's kernel can't
// do by itself, and becomes miagent. Loads the network card's drivers, gives it its address, and
// executes /miagent with the arguments that the kernel was given for its first process.

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char* const kModules[] = {"/failover.ko", "/net_failover.ko", "/virtio_net.ko",
                                       "/virtio_mmio.ko"};

// Says what couldn't be done, to the console, and ends: the kernel says so, too, and stops.
static void Stop(const char* what) {
  (void)!write(STDERR_FILENO, "start: no ", 10);
  (void)!write(STDERR_FILENO, what, strlen(what));
  (void)!write(STDERR_FILENO, "\n", 1);
  _exit(1);
}

static void AddressSet(int descriptor, unsigned long verb, const char* text) {
  struct ifreq request = {.ifr_name = "eth0"};
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = inet_addr(text);
  memcpy(&request.ifr_addr, &address, sizeof address);
  if (ioctl(descriptor, verb, &request) != 0) Stop(text);
}

int main(int count, char** arguments, char** environment) {
  for (unsigned index = 0; index < sizeof kModules / sizeof kModules[0]; ++index) {
    const int module = open(kModules[index], O_RDONLY | O_CLOEXEC);
    if (module < 0 || syscall(SYS_finit_module, module, "", 0) != 0) Stop(kModules[index]);
    close(module);
  }
  // From it miagent has the boot's id, so that its state is told from that of a boot before.
  if (mount("proc", "/proc", "proc", 0, NULL) != 0) Stop("/proc");
  const int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  AddressSet(descriptor, SIOCSIFADDR, "169.254.10.15");
  AddressSet(descriptor, SIOCSIFNETMASK, "255.255.0.0");
  struct ifreq request = {.ifr_name = "eth0", .ifr_flags = IFF_UP | IFF_RUNNING};
  if (ioctl(descriptor, SIOCSIFFLAGS, &request) != 0) Stop("eth0");
  // The kernel drops what stands behind a second `--` on its line: here `---` is for that one.
  for (int index = 1; index < count; ++index) {
    if (strcmp(arguments[index], "---") == 0) arguments[index] = "--";
  }
  arguments[0] = "/miagent";
  execve(arguments[0], arguments, environment);
  Stop(arguments[0]);
}
