// What of Mbed TLS 3.6 is compiled in, in place of its own configuration header.
//
// Purpose: a client of TLS 1.2 and 1.3 with certificates, and what that needs. Its memory, time,
//          random numbers and wiping are functions of tls_mbedtls.cpp and pool.cpp: no heap, no
//          stdio, no file and no clock of the C library.
// Limits:  whole records in (16 KiB: what a server may send), small ones out (2 KiB); RSA up to
//          4096 bits.
// Never:   sessions and tickets are stored; pre-shared keys, renegotiation, CBC, static RSA or
//          signatures with SHA-1. SHA-1 itself is here for Service Fabric's thumbprints, and to
//          read roots that sign themselves with it, which nobody verifies.
#ifndef MIAGENT_TLS_MBEDTLS_CONFIG_H_
#define MIAGENT_TLS_MBEDTLS_CONFIG_H_

// ---- what it stands on ---------------------------------------------------------------------
#define MBEDTLS_HAVE_ASM
#define MBEDTLS_HAVE_TIME
#define MBEDTLS_HAVE_TIME_DATE
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_PLATFORM_NO_STD_FUNCTIONS
#define MBEDTLS_PLATFORM_CALLOC_MACRO MiagentTlsAllocate
#define MBEDTLS_PLATFORM_FREE_MACRO MiagentTlsRelease
#define MBEDTLS_PLATFORM_TIME_TYPE_MACRO long long
#define MBEDTLS_PLATFORM_TIME_MACRO MiagentTlsTime
#define MBEDTLS_PLATFORM_GMTIME_R_ALT
#define MBEDTLS_PLATFORM_ZEROIZE_ALT
// Nobody calls these; a call would be an unresolved name.
#define MBEDTLS_PLATFORM_MS_TIME_ALT
#define MBEDTLS_PLATFORM_SNPRINTF_MACRO MiagentTlsHasNoSnprintf
#define MBEDTLS_PLATFORM_VSNPRINTF_MACRO MiagentTlsHasNoVsnprintf

// ---- TLS -----------------------------------------------------------------------------------
#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_CLI_C
#define MBEDTLS_SSL_PROTO_TLS1_2
#define MBEDTLS_SSL_PROTO_TLS1_3
#define MBEDTLS_SSL_TLS1_3_COMPATIBILITY_MODE
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ENABLED
#define MBEDTLS_SSL_KEEP_PEER_CERTIFICATE
#define MBEDTLS_SSL_SERVER_NAME_INDICATION
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET
#define MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED
#define MBEDTLS_SSL_IN_CONTENT_LEN 16384
#define MBEDTLS_SSL_OUT_CONTENT_LEN 2048

// ---- certificates --------------------------------------------------------------------------
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
#define MBEDTLS_X509_TRUSTED_CERTIFICATE_CALLBACK
#define MBEDTLS_X509_RSASSA_PSS_SUPPORT
#define MBEDTLS_X509_REMOVE_INFO
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_OID_C
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C

// ---- cryptography --------------------------------------------------------------------------
#define MBEDTLS_PSA_CRYPTO_C
#define MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG
#define MBEDTLS_PSA_CRYPTO_CONFIG
#define MBEDTLS_PSA_CRYPTO_CONFIG_FILE "agent/tls/psa_config.h"
#define MBEDTLS_PSA_KEY_SLOT_COUNT 8
#define MBEDTLS_CIPHER_C
#define MBEDTLS_AES_C
#define MBEDTLS_AES_ROM_TABLES
#define MBEDTLS_AES_FEWER_TABLES
#define MBEDTLS_BLOCK_CIPHER_NO_DECRYPT
#define MBEDTLS_GCM_C
#define MBEDTLS_CHACHA20_C
#define MBEDTLS_POLY1305_C
#define MBEDTLS_CHACHAPOLY_C
#define MBEDTLS_MD_C
#define MBEDTLS_SHA1_C
#define MBEDTLS_SHA1_PROCESS_ALT
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA256_SMALLER
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C
#define MBEDTLS_SHA512_SMALLER
#define MBEDTLS_HKDF_C
#define MBEDTLS_BIGNUM_C
#define MBEDTLS_MPI_MAX_SIZE 512
#define MBEDTLS_RSA_C
#define MBEDTLS_RSA_NO_CRT
#define MBEDTLS_PKCS1_V15
#define MBEDTLS_PKCS1_V21
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED
#define MBEDTLS_ECP_DP_CURVE25519_ENABLED
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECP_WINDOW_SIZE 3
#define MBEDTLS_ECP_FIXED_POINT_OPTIM 0
#define MBEDTLS_ECDH_C
#define MBEDTLS_ECDSA_C

// ---- the functions named above -------------------------------------------------------------
#ifdef __cplusplus
extern "C" {
#endif
void* MiagentTlsAllocate(__SIZE_TYPE__ count, __SIZE_TYPE__ size);
void MiagentTlsRelease(void* memory);
long long MiagentTlsTime(long long* time);
int MiagentTlsHasNoSnprintf(char* text, __SIZE_TYPE__ size, const char* format, ...);
#ifdef __cplusplus
}
#endif

#endif  // MIAGENT_TLS_MBEDTLS_CONFIG_H_
