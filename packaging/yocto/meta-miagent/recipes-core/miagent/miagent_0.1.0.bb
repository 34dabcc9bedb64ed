SUMMARY = "Azure managed identity tokens in files"
DESCRIPTION = "Keeps Azure managed identity tokens fresh in files on tmpfs, so that any program, in \
any language, gets a valid one with cat. One static program without a heap."
SECTION = "base"
# The program's own, then those of what is linked into it.
LICENSE = "Apache-2.0 & MIT & BSD-3-Clause"
LIC_FILES_CHKSUM = "\
    file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57 \
    file://${MIAGENT_PARTS}/inih-r59/LICENSE.txt;md5=a7a95d2af90376e85a05318794e6f202 \
    file://${MIAGENT_PARTS}/jsmn-1.1.0/LICENSE;md5=5adc94605a1f7a797a9a834adbe335e3 \
    file://${MIAGENT_PARTS}/llhttp-release-v9.2.1/LICENSE-MIT;md5=f5e274d60596dd59be0a1d1b19af7978 \
"

# What the build needs of the sources around this layer, then the third-party parts, whose versions
# and hashes are those of toolchains/parts.
FILESEXTRAPATHS:prepend := "${MIAGENT_SOURCE}:"
SRC_URI = "\
    file://CMakeLists.txt;subdir=${BP} \
    file://LICENSE;subdir=${BP} \
    file://NOTICE;subdir=${BP} \
    file://agent;subdir=${BP} \
    file://packaging;subdir=${BP} \
    file://platform;subdir=${BP} \
    file://tests/bench;subdir=${BP} \
    file://tests/image;subdir=${BP} \
    file://tests/sim;subdir=${BP} \
    file://toolchains;subdir=${BP} \
    file://miagent.default \
    https://github.com/benhoyt/inih/archive/refs/tags/r59.tar.gz;name=inih;downloadfilename=inih-r59.tar.gz;subdir=parts \
    https://github.com/zserge/jsmn/archive/refs/tags/v1.1.0.tar.gz;name=jsmn;downloadfilename=jsmn-1.1.0.tar.gz;subdir=parts \
    https://github.com/nodejs/llhttp/archive/refs/tags/release/v9.2.1.tar.gz;name=llhttp;downloadfilename=llhttp-9.2.1.tar.gz;subdir=parts \
    ${@bb.utils.contains('PACKAGECONFIG', 'tls', '${MIAGENT_MBEDTLS_URI}', '', d)} \
"
MIAGENT_MBEDTLS_URI = "https://github.com/Mbed-TLS/mbedtls/releases/download/mbedtls-3.6.7/mbedtls-3.6.7.tar.bz2;name=mbedtls;subdir=parts"
# It links statically with musl: the toolchain's, else one of its own.
SRC_URI:append:libc-glibc = " https://musl.libc.org/releases/musl-1.2.5.tar.gz;name=musl;subdir=parts"
SRC_URI[inih.sha256sum] = "062279922805f5e9a369551a08d5ddb506140fe50774183ffdbb7c22bb97e3f4"
SRC_URI[jsmn.sha256sum] = "5f0913a10657fe7ec8d5794ccf00a01000e3e1f2f1e1f143c34a0f7b47edcb38"
SRC_URI[llhttp.sha256sum] = "3c163891446e529604b590f9ad097b2e98b5ef7e4d3ddcf1cf98b62ca668f23e"
SRC_URI[mbedtls.sha256sum] = "a7e8bcbec0e6f761b4af24f25677626b35f762f68eef79c08677a363212d11f6"
SRC_URI[musl.sha256sum] = "a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4"

# Older releases have no UNPACKDIR.
MIAGENT_UNPACKED = "${@d.getVar('UNPACKDIR') or d.getVar('WORKDIR')}"
MIAGENT_PARTS = "${MIAGENT_UNPACKED}/parts"
S = "${MIAGENT_UNPACKED}/${BP}"

inherit cmake systemd update-rc.d useradd

COMPATIBLE_HOST = "(x86_64|aarch64|arm|riscv64).*-linux"
TOOLCHAIN = "gcc"

PACKAGECONFIG ??= "tls"
PACKAGECONFIG[tls] = "-DMIAGENT_TLS=ON -DFETCHCONTENT_SOURCE_DIR_MBEDTLS=${MIAGENT_PARTS}/mbedtls-3.6.7,-DMIAGENT_TLS=OFF,,ca-certificates"

# The program's own toolchain file takes the compiler; CFLAGS and the like come from the environment.
MIAGENT_MACHINE_FLAGS = "${HOST_CC_ARCH}"
MIAGENT_MACHINE_FLAGS:append:aarch64 = " -mno-outline-atomics"
EXTRA_OECMAKE = "\
    -DCMAKE_TOOLCHAIN_FILE=${S}/toolchains/gcc-musl.cmake \
    -DMIAGENT_CROSS_PREFIX=${TARGET_PREFIX} \
    -DMIAGENT_SYSROOT=${STAGING_DIR_HOST} \
    -DMIAGENT_MACHINE_FLAGS='${@';'.join(d.getVar('MIAGENT_MACHINE_FLAGS').split())}' \
    -DFETCHCONTENT_SOURCE_DIR_INIH=${MIAGENT_PARTS}/inih-r59 \
    -DFETCHCONTENT_SOURCE_DIR_JSMN=${MIAGENT_PARTS}/jsmn-1.1.0 \
    -DFETCHCONTENT_SOURCE_DIR_LLHTTP=${MIAGENT_PARTS}/llhttp-release-v9.2.1 \
"
EXTRA_OECMAKE:append:libc-glibc = " -DFETCHCONTENT_SOURCE_DIR_MUSL=${WORKDIR}/musl-sysroot"

# Not the simulator.
OECMAKE_TARGET_COMPILE = "miagent_stripped"

do_configure:prepend:libc-glibc() {
    ${S}/toolchains/build-musl.sh ${MIAGENT_PARTS}/musl-1.2.5 ${WORKDIR}/musl-sysroot
}

do_install:append() {
    # With its symbols, for OpenEmbedded to split off and strip; then the SBOM's hash isn't its own.
    install -m 0755 ${B}/miagent.symbols ${D}${bindir}/miagent
    rm ${D}${docdir}/miagent/miagent.spdx.json
    install -D -m 0644 ${S}/packaging/miagent.conf ${D}${sysconfdir}/miagent.conf
    install -D -m 0755 ${S}/packaging/busybox/S45miagent ${D}${sysconfdir}/init.d/miagent
    install -D -m 0644 ${MIAGENT_UNPACKED}/miagent.default ${D}${sysconfdir}/default/miagent
    # The account is made by useradd; the unit goes where this distribution has its units.
    rm -r ${D}${nonarch_libdir}/sysusers.d
    if [ "${nonarch_libdir}/systemd/system" != "${systemd_system_unitdir}" ]; then
        install -d ${D}${systemd_system_unitdir}
        mv ${D}${nonarch_libdir}/systemd/system/miagent.service ${D}${systemd_system_unitdir}/
        rm -r ${D}${nonarch_libdir}/systemd
    fi
}

USERADD_PACKAGES = "${PN}"
USERADD_PARAM:${PN} = "--system --user-group --no-create-home --home-dir / --shell /sbin/nologin miagent"
SYSTEMD_SERVICE:${PN} = "miagent.service"
INITSCRIPT_NAME = "miagent"
INITSCRIPT_PARAMS = "defaults 45"

FILES:${PN} += "${nonarch_libdir}/tmpfiles.d"
CONFFILES:${PN} = "${sysconfdir}/miagent.conf ${sysconfdir}/default/miagent"

# GitHub's archives are pinned by hash, the same in every way of building.
INSANE_SKIP += "src-uri-bad"
