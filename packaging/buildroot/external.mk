include $(sort $(wildcard $(BR2_EXTERNAL_MIAGENT_PATH)/package/*/*.mk))
