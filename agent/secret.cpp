#include "agent/secret.h"

#include <cerrno>

#include "agent/base/check.h"
#include "agent/limits.h"

namespace miagent {
namespace {

// Reads to the end, or until `memory` is full.
IoResult ReadToEnd(Platform& platform, File file, Span memory, size_t* size) {
  IoResult read{0, 1};
  *size = 0;
  while (read.ok() && read.count != 0 && *size < memory.size) {
    read = FileRead(platform, file, memory.data + *size, memory.size - *size);
    *size += read.count;
  }
  return read;
}

bool IsWithin(std::string_view text, char byte_min) {
  for (const char c : text) {
    if (c < byte_min || c > 0x7E) return false;
  }
  return !text.empty();
}

Status KeyOpen(Platform& platform, const KeyFile& key_file, File* file) {
  char name[kFileNameSizeMax + 1];
  TextWriter writer{name, sizeof(name)};
  Append(writer, key_file.name);
  Append(writer, '\0');
  CHECK(!writer.overflowed);
  Directory directory;
  IoResult opened = DirectoryOpen(platform, key_file.directory, &directory);
  const bool is_link = opened.error == ELOOP || opened.error == ENOTDIR;
  if (!opened.ok())
    return is_link ? Status{Fault::kKeyLink} : Status{Fault::kKeyOpen, opened.error};
  opened = FileOpenAt(platform, directory, name, file);
  DirectoryClose(platform, directory);
  if (opened.error == ELOOP) return {Fault::kKeyLink};
  return opened.ok() ? kOk : Status{Fault::kKeyOpen, opened.error};
}

Status KeyTake(Platform& platform, File file, Span memory, SecretBytes* key) {
  FileFacts facts;
  const IoResult inspected = FileInspect(platform, file, &facts);
  if (!inspected.ok()) return {Fault::kKeyOpen, inspected.error};
  if (!facts.is_regular) return {Fault::kKeyForm};
  if (facts.size > kKeySizeMax) return {Fault::kKeyTooLarge};
  size_t size = 0;
  const IoResult read = ReadToEnd(platform, file, {memory.data, kKeySizeMax + 1}, &size);
  if (!read.ok()) return {Fault::kKeyOpen, read.error};
  if (size > kKeySizeMax) return {Fault::kKeyTooLarge};
  if (size != 0 && memory.data[size - 1] == '\n') --size;
  if (!IsWithin({memory.data, size}, 0x20)) return {Fault::kKeyBytes};
  *key = {memory.data, size};
  return kOk;
}
static_assert(kKeySizeMax == 4096 && kAssertionSizeMax == 8192, "as the messages say");

Status AssertionTake(Platform& platform, File file, Span memory, SecretBytes* assertion) {
  size_t size = 0;
  const IoResult read = ReadToEnd(platform, file, memory, &size);
  if (!read.ok()) return {Fault::kAssertionRead, read.error};
  if (size > kAssertionSizeMax) return {Fault::kAssertionForm};
  std::string_view text{memory.data, size};
  while (EndsWith(text, "\n") || EndsWith(text, "\r")) text = Slice(text, 0, text.size() - 1);
  text = Trim(text);
  if (!IsWithin(text, 0x21)) return {Fault::kAssertionForm};
  *assertion = {text.data(), text.size()};
  return kOk;
}

}  // namespace

Status KeyRead(Platform& platform, const KeyFile& key_file, Span memory, SecretBytes* key) {
  CHECK(memory.size > kKeySizeMax);
  File file;
  TRY(KeyOpen(platform, key_file, &file));
  const Status status = KeyTake(platform, file, memory, key);
  FileClose(platform, file);
  if (!status.ok()) SecretWipe(memory.data, memory.size);
  return status;
}

Status AssertionRead(Platform& platform, const char* path, Span memory, SecretBytes* assertion) {
  CHECK(memory.size > kAssertionSizeMax);
  File file;
  const IoResult opened = FileOpen(platform, path, &file);
  if (!opened.ok()) return {Fault::kAssertionRead, opened.error};
  const Status status = AssertionTake(platform, file, memory, assertion);
  FileClose(platform, file);
  if (!status.ok()) SecretWipe(memory.data, memory.size);
  return status;
}

}  // namespace miagent
