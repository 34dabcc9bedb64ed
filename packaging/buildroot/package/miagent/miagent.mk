################################################################################
#
# miagent
#
################################################################################

# The sources are those that this tree is part of; nothing else has to be named.
MIAGENT_SITE = $(BR2_EXTERNAL_MIAGENT_PATH)/../..
MIAGENT_SITE_METHOD = local
MIAGENT_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude=/build --exclude=/build-*
MIAGENT_LICENSE = Apache-2.0
MIAGENT_LICENSE_FILES = LICENSE NOTICE
MIAGENT_SUPPORTS_IN_SOURCE_BUILD = NO
MIAGENT_DEPENDENCIES = miagent-inih miagent-jsmn miagent-llhttp

# It links statically with musl: the toolchain's, else one of its own. The
# toolchain file takes Buildroot's compiler and adds the program's own flags;
# Buildroot's come after them.
MIAGENT_BUILD_OPTS = --target miagent_stripped
MIAGENT_CONF_OPTS = \
	-DCMAKE_TOOLCHAIN_FILE=$(@D)/toolchains/gcc-musl.cmake \
	-DMIAGENT_CROSS_PREFIX=$(TARGET_CROSS) \
	-DCMAKE_C_FLAGS="$(TARGET_CFLAGS)" \
	-DCMAKE_CXX_FLAGS="$(TARGET_CXXFLAGS)" \
	-DCMAKE_EXE_LINKER_FLAGS="$(TARGET_LDFLAGS)" \
	-DFETCHCONTENT_SOURCE_DIR_INIH=$(MIAGENT_INIH_DIR) \
	-DFETCHCONTENT_SOURCE_DIR_JSMN=$(MIAGENT_JSMN_DIR) \
	-DFETCHCONTENT_SOURCE_DIR_LLHTTP=$(MIAGENT_LLHTTP_DIR)

ifeq ($(BR2_PACKAGE_MIAGENT_MUSL),y)
MIAGENT_DEPENDENCIES += miagent-musl
MIAGENT_CONF_OPTS += -DFETCHCONTENT_SOURCE_DIR_MUSL=$(MIAGENT_MUSL_DIR)/sysroot
endif

ifeq ($(BR2_PACKAGE_MIAGENT_TLS),y)
MIAGENT_DEPENDENCIES += miagent-mbedtls
MIAGENT_CONF_OPTS += \
	-DMIAGENT_TLS=ON \
	-DFETCHCONTENT_SOURCE_DIR_MBEDTLS=$(MIAGENT_MBEDTLS_DIR)
else
MIAGENT_CONF_OPTS += -DMIAGENT_TLS=OFF
endif

# The sample is to be replaced by a root filesystem overlay. Not by what
# `cmake --install` does, which serves systemd's images alone.
define MIAGENT_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(MIAGENT_BUILDDIR)/miagent \
		$(TARGET_DIR)/usr/bin/miagent
	$(INSTALL) -D -m 0644 $(@D)/packaging/miagent.conf \
		$(TARGET_DIR)/etc/miagent.conf
endef

define MIAGENT_USERS
	miagent -1 miagent -1 * / - - Azure managed identity tokens
endef

define MIAGENT_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(@D)/packaging/busybox/S45miagent \
		$(TARGET_DIR)/etc/init.d/S45miagent
	$(INSTALL) -D -m 0644 $(MIAGENT_PKGDIR)/miagent.default \
		$(TARGET_DIR)/etc/default/miagent
endef

define MIAGENT_INSTALL_INIT_OPENRC
	$(INSTALL) -D -m 0755 $(@D)/packaging/openrc/miagent \
		$(TARGET_DIR)/etc/init.d/miagent
endef

define MIAGENT_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(@D)/packaging/systemd/miagent.service \
		$(TARGET_DIR)/usr/lib/systemd/system/miagent.service
	$(INSTALL) -D -m 0644 $(@D)/packaging/tmpfiles.d/miagent.conf \
		$(TARGET_DIR)/usr/lib/tmpfiles.d/miagent.conf
endef

$(eval $(cmake-package))
