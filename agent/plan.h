// The plan: what the configuration asks for, checked against this machine.
//
// Purpose: load it at the start and again at SIGHUP, all or nothing: a configuration with any
//          fault leaves the one in force as it is.
#pragma once

#include "agent/agent.h"

namespace miagent {

// Reads the environment and the configuration (file or options), looks up owners and groups. Each
// problem is told as `FILE:LINE: …`. On success the new configuration is in force and every token
// and file of it begins from nothing. `status` and `wait`: whatever the environment and the
// accounts are; kConfig where it names no status_file.
Status PlanLoad(Agent& agent, Platform& platform);

// Judges the directory of each file (`run`: and of status_file and metrics_file) and tells each
// fault; sweeps what a killed agent left there. Returns the first fault. A file's own goes to its
// state.
Status PlanOpenDirectories(Agent& agent, Platform& platform);

// SIGHUP: loads the configuration again. Tokens still asked for keep their slot and schedule,
// files still the same are left alone; files no longer named get their on_stop policy. The fault
// for which the new one was refused, which has been told.
Status PlanReload(Agent& agent, Platform& platform);

// `miagent check`: loads, judges, and prints the effective plan to standard output. The exit code.
uint8_t PlanCheck(Agent& agent, Platform& platform, const Command& command);

}  // namespace miagent
