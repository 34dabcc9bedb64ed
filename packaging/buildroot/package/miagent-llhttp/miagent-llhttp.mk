################################################################################
#
# miagent-llhttp
#
################################################################################

MIAGENT_LLHTTP_VERSION = 9.2.1
MIAGENT_LLHTTP_SITE = https://github.com/nodejs/llhttp/archive/refs/tags/release
MIAGENT_LLHTTP_SOURCE = v$(MIAGENT_LLHTTP_VERSION).tar.gz
MIAGENT_LLHTTP_LICENSE = MIT
MIAGENT_LLHTTP_LICENSE_FILES = LICENSE-MIT
MIAGENT_LLHTTP_CPE_ID_VENDOR = llhttp
MIAGENT_LLHTTP_CPE_ID_PRODUCT = llhttp
MIAGENT_LLHTTP_INSTALL_TARGET = NO

$(eval $(generic-package))
