// The seam with Mbed TLS 3.6 behind it.
//
// Facts: Mbed TLS's own headers. Exhaustion of its memory may come out as any error, "certificate
//        verify failed" among them, and may leave things behind: so the pool's count of refusals is
//        looked at first, and pool and PSA begin anew for every session.
#include <mbedtls/build_info.h>
#include <mbedtls/error.h>
#include <mbedtls/platform_time.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha1.h>
#include <mbedtls/ssl.h>
#include <psa/crypto.h>

#include <cerrno>

extern "C" {  // it doesn't say so itself
#include <mbedtls/constant_time.h>
}

#include "agent/base/check.h"
#include "agent/tls/bundle.h"
#include "agent/tls/pool.h"
#include "agent/tls/tls.h"

namespace miagent {
namespace {

constexpr WallTime kBuiltAt{MIAGENT_BUILD_TIME_S};
constexpr int kIoFailed = -0x004E;  // any value that Mbed TLS hands through
constexpr size_t kEntropyPieceMax = 256;
constexpr uint32_t kCandidateCountMax = 4;  // roots of one name: a root and its renewals
constexpr size_t kNumericAddressSizeMax = 16;

// Debian, Alpine and Arch; OpenWrt, OpenSSL's own; Fedora; SUSE; a home-made Buildroot image.
constexpr char kBundlePaths[] =
    "/etc/ssl/certs/ca-certificates.crt\0/etc/ssl/cert.pem\0/etc/pki/tls/certs/ca-bundle.crt\0"
    "/etc/ssl/ca-bundle.pem\0/etc/ssl/certs/ca-bundle.crt\0";

// All zero at first, so that it takes no room in the program's file.
struct Engine {
  Platform* platform = nullptr;
  const TlsTrust* trust = nullptr;
  Socket socket{0};
  bool is_open = false;
  bool is_established = false;
  bool has_failed = false;
  bool has_sent = false;  // a byte went out: the connection stood
  bool is_clock_wrong = false;  // it lies before this program was built
  // A certificate that the server sent and that is in the bundle itself. It counts only where it is
  // the server's own: anybody can send a root along.
  const mbedtls_x509_crt* listed = nullptr;
  int32_t io_error = 0;  // of the socket verb that failed
  Status bundle_failure;
  WallTime now_wall;
  WallTime noted_wall;  // the newest Date of a verified server
  uint32_t address_size = 0;  // of the host, where it is numeric; else 0
  uint8_t address[kNumericAddressSizeMax];
  uint32_t leak_count = 0;  // sessions that ended well and left something in the pool
  mbedtls_ssl_config config;
  mbedtls_ssl_context context;
  char block[kTlsBundleBlockSize];
  char certificate[kTlsCertificateSizeMax];
};

alignas(16) char g_memory[kTlsPoolSize];
Pool g_pool{{g_memory, sizeof(g_memory)}};
Engine g_engine;

// ---- what goes wrong -----------------------------------------------------------------------

struct FlagRow {
  uint32_t flags;
  Fault fault;
};

// In the order of what matters more, where a certificate has several faults. A signature that is
// too weak isn't checked, so that its issuer is unknown as well.
constexpr FlagRow kFlagRows[] = {
    {MBEDTLS_X509_BADCERT_OTHER, Fault::kTlsThumbprint},
    {MBEDTLS_X509_BADCERT_BAD_MD, Fault::kTlsWeak},
    {MBEDTLS_X509_BADCERT_NOT_TRUSTED, Fault::kTlsIssuer},
    {MBEDTLS_X509_BADCERT_CN_MISMATCH, Fault::kTlsName},
    {MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
         MBEDTLS_X509_BADCERT_NS_CERT_TYPE,
     Fault::kTlsPurpose},
    {MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY, Fault::kTlsWeak},
    {MBEDTLS_X509_BADCERT_EXPIRED, Fault::kTlsExpired},
    {MBEDTLS_X509_BADCERT_FUTURE, Fault::kTlsNotYetValid},
};

Status Diagnose(const Engine& engine, int code) {
  if (g_pool.failure_count != 0) return {Fault::kTlsMemory, 0};
  if (!engine.bundle_failure.ok()) return engine.bundle_failure;
  if (code == kIoFailed) {
    return {engine.has_sent ? Fault::kConnectionLost : Fault::kConnectFailed, engine.io_error};
  }
  if (code == MBEDTLS_ERR_SSL_CONN_EOF) return {Fault::kConnectionLost, 0};
  if (!engine.is_established &&
      (code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED || code == MBEDTLS_ERR_SSL_BAD_CERTIFICATE)) {
    const uint32_t flags = mbedtls_ssl_get_verify_result(&engine.context);
    for (const FlagRow& row : kFlagRows) {
      if (flags != UINT32_MAX && (flags & row.flags) != 0) return {row.fault, 0};
    }
  }
  // A certificate that can't even be read for what it is signed with, as by MD5. (Mbed TLS adds the
  // details of its lower layers, which have 7 bits.)
  const int layer = -(-code & ~0x7F);
  if (!engine.is_established &&
      (layer == MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG || layer == MBEDTLS_ERR_PK_UNKNOWN_PK_ALG ||
       layer == MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE)) {
    return {Fault::kTlsWeak, 0};
  }
  return {Fault::kTlsProtocol, -code};
}

// What a call of Mbed TLS came to that moved nothing.
TlsProgress Conclude(Engine& engine, int code) {
  TlsProgress progress;
  switch (code) {
    case 0: break;
    case MBEDTLS_ERR_SSL_WANT_READ: progress.wants = TlsWants::kReading; break;
    case MBEDTLS_ERR_SSL_WANT_WRITE: progress.wants = TlsWants::kWriting; break;
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY: progress.is_end = true; break;
    default:
      engine.has_failed = true;
      progress.status = Diagnose(engine, code);
      break;
  }
  return progress;
}

// ---- the socket, and random numbers --------------------------------------------------------

int Send(void*, const unsigned char* bytes, size_t size) {
  Engine& engine = g_engine;
  const ConstPart part{reinterpret_cast<const char*>(bytes), size};
  const IoResult sent = SocketWrite(*engine.platform, engine.socket, &part, 1);
  if (sent.error == EAGAIN) return MBEDTLS_ERR_SSL_WANT_WRITE;
  engine.io_error = sent.error;
  if (!sent.ok()) return kIoFailed;
  engine.has_sent = true;
  return static_cast<int>(sent.count);
}

int Receive(void*, unsigned char* bytes, size_t size) {
  Engine& engine = g_engine;
  const IoResult received =
      SocketRead(*engine.platform, engine.socket, reinterpret_cast<char*>(bytes), size);
  if (received.error == EAGAIN) return MBEDTLS_ERR_SSL_WANT_READ;
  engine.io_error = received.error;
  return received.ok() ? static_cast<int>(received.count) : kIoFailed;
}

int Random(void*, unsigned char* bytes, size_t size) {
  for (size_t offset = 0; offset < size;) {
    const size_t piece = size - offset < kEntropyPieceMax ? size - offset : kEntropyPieceMax;
    const IoResult filled =
        EntropyFill(*g_engine.platform, reinterpret_cast<char*>(bytes) + offset, piece);
    if (!filled.ok()) return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    offset += piece;
  }
  return 0;
}

// ---- trust ---------------------------------------------------------------------------------

Status BundleOpen(const Engine& engine, File* file) {
  if (engine.trust->ca_path[0] != '\0') {
    const IoResult opened = FileOpen(*engine.platform, engine.trust->ca_path, file);
    return opened.ok() ? kOk : Status{Fault::kTlsBundle, opened.error};
  }
  for (std::string_view path = kBundlePaths; !path.empty(); path = path.data() + path.size() + 1) {
    if (FileOpen(*engine.platform, path.data(), file).ok()) return kOk;
  }
  return {Fault::kTlsBundle, ENOENT};
}

// Roots that may have signed a certificate, as Mbed TLS wants them: a list in its memory.
struct Candidates {
  const mbedtls_x509_crt* child;
  mbedtls_x509_crt* first;
  uint32_t count;
};

// Keeps a certificate of the bundle if it has the name of the child's issuer. Returns an error of
// Mbed TLS.
int CandidateKeep(Candidates& candidates, std::string_view der) {
  const mbedtls_x509_crt& child = *candidates.child;
  const std::string_view issuer(reinterpret_cast<const char*>(child.issuer_raw.p),
                                child.issuer_raw.len);
  std::string_view subject;
  if (!CertificateSubject(der, &subject) || subject != issuer) return 0;
  if (candidates.count == kCandidateCountMax) return 0;
  if (candidates.first == nullptr) {
    void* const memory = PoolAllocate(g_pool, 1, sizeof(mbedtls_x509_crt));
    if (memory == nullptr) return MBEDTLS_ERR_X509_ALLOC_FAILED;
    candidates.first = static_cast<mbedtls_x509_crt*>(memory);
    mbedtls_x509_crt_init(candidates.first);
  }
  const auto* const bytes = reinterpret_cast<const unsigned char*>(der.data());
  if (mbedtls_x509_crt_parse_der(candidates.first, bytes, der.size()) == 0) {
    ++candidates.count;
    if (der == std::string_view(reinterpret_cast<const char*>(child.raw.p), child.raw.len)) {
      g_engine.listed = &child;
    }
  }
  // A root of a kind that isn't compiled in signs nothing that could be verified.
  return g_pool.failure_count == 0 ? 0 : MBEDTLS_ERR_X509_ALLOC_FAILED;
}

// Reads the bundle from its begin to its end. Returns an error of Mbed TLS.
int BundleSearch(Engine& engine, File file, Candidates& candidates) {
  BundleReader reader{};
  reader.memory = {engine.certificate, sizeof(engine.certificate)};
  uint32_t certificate_count = 0;
  IoResult read{0, 1};
  while (read.count != 0) {
    read = FileRead(*engine.platform, file, engine.block, sizeof(engine.block));
    if (!read.ok()) {
      engine.bundle_failure = {Fault::kTlsBundle, read.error};
      return MBEDTLS_ERR_X509_FILE_IO_ERROR;
    }
    std::string_view text(engine.block, read.count);
    if (read.count == 0) text = "\n";  // the last line may lack its end
    while (!text.empty()) {
      text = SliceFrom(text, BundleTake(reader, text));
      if (!reader.is_complete) continue;
      ++certificate_count;
      const int code = CandidateKeep(candidates, {engine.certificate, reader.size});
      if (code != 0) return code;
    }
  }
  if (certificate_count != 0) return 0;
  engine.bundle_failure = {Fault::kTlsBundle, 0};
  return MBEDTLS_ERR_X509_FILE_IO_ERROR;
}

// Mbed TLS asks for the roots that may have signed `child`; it frees the list.
int FindIssuers(void*, const mbedtls_x509_crt* child, mbedtls_x509_crt** list) {
  Engine& engine = g_engine;
  *list = nullptr;
  if (engine.trust->kind == TlsTrustKind::kThumbprint) return 0;
  File file;
  engine.bundle_failure = BundleOpen(engine, &file);
  if (!engine.bundle_failure.ok()) return MBEDTLS_ERR_X509_FILE_IO_ERROR;
  Candidates candidates{child, nullptr, 0};
  const int code = BundleSearch(engine, file, candidates);
  FileClose(*engine.platform, file);
  if (code == 0 && candidates.count != 0) {
    *list = candidates.first;
    return 0;
  }
  mbedtls_x509_crt_free(candidates.first);
  PoolRelease(g_pool, candidates.first);
  return code;
}

bool HasAddress(const mbedtls_x509_crt& certificate, const uint8_t* address, size_t size) {
  for (const mbedtls_x509_sequence* name = &certificate.subject_alt_names; name != nullptr;
       name = name->next) {
    const std::string_view value(reinterpret_cast<const char*>(name->buf.p), name->buf.len);
    if ((name->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) == MBEDTLS_X509_SAN_IP_ADDRESS &&
        value == std::string_view(reinterpret_cast<const char*>(address), size)) {
      return true;
    }
  }
  return false;
}

uint32_t ThumbprintFlags(const Engine& engine, const mbedtls_x509_crt& certificate) {
  uint8_t hash[kThumbprintSize];
  if (mbedtls_sha1(certificate.raw.p, certificate.raw.len, hash) != 0 ||
      mbedtls_ct_memcmp(hash, engine.trust->thumbprint, kThumbprintSize) != 0) {
    return MBEDTLS_X509_BADCERT_OTHER;
  }
  return 0;
}

// Mbed TLS asks for the last word on each certificate of the chain; 0 is the server's own.
int Judge(void*, mbedtls_x509_crt* certificate, int depth, uint32_t* flags) {
  const Engine& engine = g_engine;
  if (engine.trust->kind == TlsTrustKind::kThumbprint) {
    *flags = depth == 0 ? ThumbprintFlags(engine, *certificate) : 0;
    return 0;
  }
  // A device that doesn't know the time can't tell that a certificate is from the future.
  if (engine.is_clock_wrong) *flags &= ~static_cast<uint32_t>(MBEDTLS_X509_BADCERT_FUTURE);
  if (depth != 0) return 0;
  if (certificate == engine.listed) {
    *flags &= ~static_cast<uint32_t>(MBEDTLS_X509_BADCERT_NOT_TRUSTED);
  }
  if (engine.address_size != 0 && !HasAddress(*certificate, engine.address, engine.address_size)) {
    *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
  }
  return 0;
}

// ---- the session ---------------------------------------------------------------------------

// The clock that certificates are judged by.
void SetClock(Engine& engine, WallTime now_wall) {
  engine.is_clock_wrong = now_wall.unix_s < kBuiltAt.unix_s;
  engine.now_wall = engine.is_clock_wrong ? kBuiltAt : now_wall;
  if (engine.now_wall.unix_s < engine.noted_wall.unix_s) engine.now_wall = engine.noted_wall;
}

// The name to be verified. A numeric one is no server name (RFC 6066), so it isn't sent, and Judge
// compares it.
int SetHost(Engine& engine, const TlsTrust& trust) {
  engine.address_size = 0;
  const char* name = nullptr;
  if (trust.kind == TlsTrustKind::kBundle) {
    engine.address_size =
        static_cast<uint32_t>(mbedtls_x509_crt_parse_cn_inet_pton(trust.host, engine.address));
    if (engine.address_size == 0) name = trust.host;
  }
  return mbedtls_ssl_set_hostname(&engine.context, name);
}

int SetUp(Engine& engine, const TlsTrust& trust) {
  if (psa_crypto_init() != PSA_SUCCESS) return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
  mbedtls_ssl_config& config = engine.config;
  const int code = mbedtls_ssl_config_defaults(
      &config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
  if (code != 0) return code;
  mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
  mbedtls_ssl_conf_min_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_2);
  mbedtls_ssl_conf_max_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_3);
  mbedtls_ssl_conf_rng(&config, Random, nullptr);
  mbedtls_ssl_conf_ca_cb(&config, FindIssuers, nullptr);
  mbedtls_ssl_conf_verify(&config, Judge, nullptr);
  const int set_up = mbedtls_ssl_setup(&engine.context, &config);
  if (set_up != 0) return set_up;
  mbedtls_ssl_set_bio(&engine.context, nullptr, Send, Receive, nullptr);
  return SetHost(engine, trust);
}

}  // namespace

std::string_view TlsEngineName() { return MBEDTLS_VERSION_STRING_FULL; }

Status TlsOpen(Platform& platform, Socket socket, const TlsTrust& trust, WallTime now_wall) {
  Engine& engine = g_engine;
  CHECK(!engine.is_open);
  engine.platform = &platform;
  engine.socket = socket;
  engine.trust = &trust;
  engine.is_open = true;
  engine.is_established = false;
  engine.has_failed = false;
  engine.has_sent = false;
  engine.listed = nullptr;
  engine.io_error = 0;
  engine.bundle_failure = kOk;
  SetClock(engine, now_wall);
  PoolReset(g_pool);
  mbedtls_ssl_config_init(&engine.config);
  mbedtls_ssl_init(&engine.context);
  return Conclude(engine, SetUp(engine, trust)).status;
}

TlsProgress TlsHandshake() {
  Engine& engine = g_engine;
  CHECK(engine.is_open && !engine.has_failed && !engine.is_established);
  const int code = mbedtls_ssl_handshake(&engine.context);
  TlsProgress progress = Conclude(engine, code);
  if (progress.is_end) {
    engine.has_failed = true;
    progress = {{Fault::kConnectionLost, 0}, TlsWants::kNothing, false, 0};
  }
  // The engine's own verdict, once more: nothing goes out to a peer that has a flag against it.
  if (code == 0) {
    CHECK(mbedtls_ssl_get_verify_result(&engine.context) == 0);
    engine.is_established = true;
  }
  return progress;
}

TlsProgress TlsWrite(const char* bytes, size_t size) {
  Engine& engine = g_engine;
  CHECK(engine.is_established && !engine.has_failed && size != 0);
  const int code =
      mbedtls_ssl_write(&engine.context, reinterpret_cast<const unsigned char*>(bytes), size);
  if (code <= 0) return Conclude(engine, code);
  CHECK(static_cast<size_t>(code) <= size);
  return {kOk, TlsWants::kNothing, false, static_cast<uint32_t>(code)};
}

TlsProgress TlsRead(char* bytes, size_t size) {
  Engine& engine = g_engine;
  CHECK(engine.is_established && !engine.has_failed && size != 0);
  const int code = mbedtls_ssl_read(&engine.context, reinterpret_cast<unsigned char*>(bytes), size);
  if (code <= 0) return Conclude(engine, code == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : code);
  CHECK(static_cast<size_t>(code) <= size);
  return {kOk, TlsWants::kNothing, false, static_cast<uint32_t>(code)};
}

bool TlsHasPending() {
  const Engine& engine = g_engine;
  return engine.is_established && !engine.has_failed &&
         mbedtls_ssl_check_pending(&engine.context) != 0;
}

void TlsClose() {
  Engine& engine = g_engine;
  if (!engine.is_open) return;
  if (engine.is_established && !engine.has_failed) {
    static_cast<void>(mbedtls_ssl_close_notify(&engine.context));
  }
  mbedtls_ssl_free(&engine.context);
  mbedtls_ssl_config_free(&engine.config);
  mbedtls_psa_crypto_free();
  if (g_pool.used_size != 0 && !engine.has_failed) ++engine.leak_count;
  engine.is_open = false;
  engine.is_established = false;
  PoolReset(g_pool);
}

void TlsNoteTime(WallTime date) {
  if (date.unix_s > g_engine.noted_wall.unix_s) g_engine.noted_wall = date;
}

size_t TlsPoolPeak() { return g_pool.peak_size; }

Pool& TlsPool() { return g_pool; }
uint32_t TlsLeakCount() { return g_engine.leak_count; }

}  // namespace miagent

// ---- what Mbed TLS has in place of the C library -------------------------------------------

extern "C" {

void* MiagentTlsAllocate(size_t count, size_t size) {
  return miagent::PoolAllocate(miagent::g_pool, count, size);
}

void MiagentTlsRelease(void* memory) { miagent::PoolRelease(miagent::g_pool, memory); }

long long MiagentTlsTime(long long* time) {
  const long long now_s = miagent::g_engine.now_wall.unix_s;
  if (time != nullptr) *time = now_s;
  return now_s;
}

void mbedtls_platform_zeroize(void* memory, size_t size) { miagent::SecretWipe(memory, size); }

// The Gregorian calendar's date of a time since 1970.
struct tm* mbedtls_platform_gmtime_r(const mbedtls_time_t* time, struct tm* calendar) {
  constexpr int64_t kDaySeconds = 86400;
  constexpr int64_t kEraDays = 146097;  // 400 years
  if (*time < 0) return nullptr;
  const int64_t second = *time % kDaySeconds;
  const int64_t day = *time / kDaySeconds + 719468;  // since 0000-03-01
  const int64_t era_day = day % kEraDays;
  const int64_t era_year =
      (era_day - era_day / 1460 + era_day / 36524 - era_day / (kEraDays - 1)) / 365;
  const int64_t year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
  const int64_t month = (5 * year_day + 2) / 153;  // 0: March
  const int64_t year = day / kEraDays * 400 + era_year + (month >= 10 ? 1 : 0);
  calendar->tm_year = static_cast<int>(year - 1900);
  calendar->tm_mon = static_cast<int>(month < 10 ? month + 2 : month - 10);
  calendar->tm_mday = static_cast<int>(year_day - (153 * month + 2) / 5 + 1);
  calendar->tm_hour = static_cast<int>(second / 3600);
  calendar->tm_min = static_cast<int>(second / 60 % 60);
  calendar->tm_sec = static_cast<int>(second % 60);
  return calendar;
}

psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t*, uint8_t* bytes,
                                             size_t size, size_t* filled_size) {
  if (miagent::Random(nullptr, bytes, size) != 0) return PSA_ERROR_INSUFFICIENT_ENTROPY;
  *filled_size = size;
  return PSA_SUCCESS;
}

// In place of what works with a private key (CMakeLists.txt): this client has none.
int MiagentTlsHasNoKey() { return MBEDTLS_ERR_ERROR_CORRUPTION_DETECTED; }

}  // extern "C"
