################################################################################
#
# miagent-inih
#
################################################################################

MIAGENT_INIH_VERSION = r59
MIAGENT_INIH_SITE = https://github.com/benhoyt/inih/archive/refs/tags
MIAGENT_INIH_SOURCE = $(MIAGENT_INIH_VERSION).tar.gz
MIAGENT_INIH_LICENSE = BSD-3-Clause
MIAGENT_INIH_LICENSE_FILES = LICENSE.txt
MIAGENT_INIH_INSTALL_TARGET = NO

$(eval $(generic-package))
