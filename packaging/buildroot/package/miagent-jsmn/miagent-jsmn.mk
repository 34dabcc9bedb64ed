################################################################################
#
# miagent-jsmn
#
################################################################################

MIAGENT_JSMN_VERSION = 1.1.0
MIAGENT_JSMN_SITE = https://github.com/zserge/jsmn/archive/refs/tags
MIAGENT_JSMN_SOURCE = v$(MIAGENT_JSMN_VERSION).tar.gz
MIAGENT_JSMN_LICENSE = MIT
MIAGENT_JSMN_LICENSE_FILES = LICENSE
MIAGENT_JSMN_INSTALL_TARGET = NO

$(eval $(generic-package))
