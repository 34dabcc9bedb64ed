################################################################################
#
# miagent-mbedtls
#
################################################################################

MIAGENT_MBEDTLS_VERSION = 3.6.7
MIAGENT_MBEDTLS_SITE = https://github.com/Mbed-TLS/mbedtls/releases/download/mbedtls-$(MIAGENT_MBEDTLS_VERSION)
MIAGENT_MBEDTLS_SOURCE = mbedtls-$(MIAGENT_MBEDTLS_VERSION).tar.bz2
MIAGENT_MBEDTLS_LICENSE = Apache-2.0
MIAGENT_MBEDTLS_LICENSE_FILES = LICENSE
MIAGENT_MBEDTLS_CPE_ID_VENDOR = trustedfirmware
MIAGENT_MBEDTLS_CPE_ID_PRODUCT = mbed_tls
MIAGENT_MBEDTLS_INSTALL_TARGET = NO

$(eval $(generic-package))
