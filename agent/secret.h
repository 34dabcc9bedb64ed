// The files whose content a request must show: Azure Arc's key, a federated assertion.
//
// Purpose: read one into a request's memory, for this request alone. A file is opened once, and
// what
//          was opened is judged: nobody can put another in its place between a look and a read.
// Limits:  kKeySizeMax, kAssertionSizeMax.
// Errors:  kKey..., kAssertion..., with the errno value where there was one. What was read by then
//          is wiped.
// Never:   shows the content.
#pragma once

#include "agent/base/bytes.h"
#include "agent/base/status.h"
#include "agent/source/source.h"
#include "platform/platform.h"

namespace miagent {

// Reads the key that a challenge names: a regular file, reached by no symbolic link in either last
// component. Its content goes as it is, but for one newline at its end. `memory` has at least
// kFileSecretSizeMax + 1 bytes.
Status KeyRead(Platform& platform, const KeyFile& key_file, Span memory, SecretBytes* key);

// Reads the assertion at a NUL-terminated path. Links are followed: that is how it is rotated where
// it is mounted. Blanks and newlines around it are left out.
Status AssertionRead(Platform& platform, const char* path, Span memory, SecretBytes* assertion);

}  // namespace miagent
