################################################################################
#
# miagent-musl
#
################################################################################

MIAGENT_MUSL_VERSION = 1.2.5
MIAGENT_MUSL_SITE = https://musl.libc.org/releases
MIAGENT_MUSL_SOURCE = musl-$(MIAGENT_MUSL_VERSION).tar.gz
MIAGENT_MUSL_LICENSE = MIT
MIAGENT_MUSL_LICENSE_FILES = COPYRIGHT
MIAGENT_MUSL_CPE_ID_VENDOR = musl-libc
MIAGENT_MUSL_CPE_ID_PRODUCT = musl
MIAGENT_MUSL_INSTALL_TARGET = NO

# A sysroot of its own, for toolchains of another C library.
define MIAGENT_MUSL_BUILD_CMDS
	$(TARGET_CONFIGURE_OPTS) \
		$(BR2_EXTERNAL_MIAGENT_PATH)/../../toolchains/build-musl.sh \
		$(@D) $(@D)/sysroot
endef

$(eval $(generic-package))
