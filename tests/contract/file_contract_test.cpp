// What the verbs of files and directories promise.
#include <sys/stat.h>

#include <cerrno>
#include <set>
#include <string>

#include "doctest/doctest.h"
#include "tests/contract/fixture.h"

using namespace miagent;

namespace {

Directory Open(Platform& platform, const std::string& path) {
  Directory directory;
  REQUIRE(DirectoryOpen(platform, path.c_str(), &directory).ok());
  return directory;
}

int32_t OpenError(Platform& platform, const std::string& path) {
  Directory directory;
  const IoResult result = DirectoryOpen(platform, path.c_str(), &directory);
  if (result.ok()) DirectoryClose(platform, directory);
  return result.error;
}

File Create(Platform& platform, Directory directory, const char* name) {
  File file;
  REQUIRE(FileCreate(platform, directory, name, &file).ok());
  return file;
}

void WriteAll(Platform& platform, File file, const std::string& text) {
  size_t written = 0;
  while (written < text.size()) {
    const ConstPart part{text.data() + written, text.size() - written};
    const IoResult result = FileWrite(platform, file, &part, 1);
    REQUIRE(result.ok());
    REQUIRE(result.count > 0);
    written += result.count;
  }
}

std::string ReadAll(Platform& platform, File file, size_t piece_size = 4096) {
  std::string all;
  std::string piece(piece_size, '\0');
  for (;;) {
    const IoResult result = FileRead(platform, file, piece.data(), piece.size());
    REQUIRE(result.ok());
    if (result.count == 0) return all;
    all.append(piece, 0, result.count);
  }
}

std::multiset<std::string> List(Platform& platform, Directory directory) {
  std::multiset<std::string> names;
  const auto visit = [](void* context, const char* name) {
    static_cast<std::multiset<std::string>*>(context)->insert(name);
  };
  REQUIRE(DirectoryList(platform, directory, visit, &names).ok());
  return names;
}

}  // namespace

TEST_CASE("a directory that isn't there, or is none, isn't opened") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const std::string path = fixture.DirectoryMake(0755);
  fixture.FilePut(path + "/file", "x");
  CHECK(OpenError(platform, path + "/absent") == ENOENT);
  CHECK(OpenError(platform, path + "/file") == ENOTDIR);
  CHECK(OpenError(platform, path) == 0);
}

TEST_CASE("a link to a directory is refused, however it is written") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const std::string path = fixture.DirectoryMake(0755);
  const std::string link = path + "-link";
  fixture.DirectoryLinkPut(link, path);
  const int32_t error = OpenError(platform, link);
  CHECK((error == ELOOP || error == ENOTDIR));
  CHECK(OpenError(platform, link + "/") == EINVAL);
  CHECK(OpenError(platform, link + "/.") == EINVAL);
  CHECK(OpenError(platform, path + "/") == EINVAL);
  CHECK(OpenError(platform, path + "//") == EINVAL);
}

TEST_CASE("a directory's owner and mode are told, sticky and set-id bits too") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  for (const uint32_t mode : {0700U, 0755U, 01777U, 02750U}) {
    const Directory directory = Open(platform, fixture.DirectoryMake(mode));
    DirectoryFacts facts;
    REQUIRE(DirectoryInspect(platform, directory, &facts).ok());
    CHECK(facts.mode == mode);
    CHECK(facts.owner_uid == fixture.OwnUid());
    CHECK(facts.on_memory_fs);
    DirectoryClose(platform, directory);
  }
}

TEST_CASE("a directory that isn't on tmpfs is told from one that is") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const auto path = fixture.DiskDirectoryMake();
  if (!path) return;
  const Directory directory = Open(platform, *path);
  DirectoryFacts facts;
  REQUIRE(DirectoryInspect(platform, directory, &facts).ok());
  CHECK_FALSE(facts.on_memory_fs);
  DirectoryClose(platform, directory);
}

TEST_CASE("a created file is new, empty, its owner's, and 0600 under any umask") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const Directory directory = Open(platform, fixture.DirectoryMake(0755));
  for (const mode_t mask : {0000U, 0022U, 0077U}) {
    const mode_t before = umask(mask);
    const File file = Create(platform, directory, "new");
    umask(before);
    FileFacts facts;
    REQUIRE(FileInspect(platform, file, &facts).ok());
    CHECK(facts.mode == 0600);
    CHECK(facts.size == 0);
    CHECK(facts.is_regular);
    CHECK(facts.owner_uid == fixture.OwnUid());
    FileClose(platform, file);
    REQUIRE(FileRemove(platform, directory, "new").ok());
  }
  DirectoryClose(platform, directory);
}

TEST_CASE("a name that exists isn't created: a file, a link, a link to nothing, a FIFO") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const std::string path = fixture.DirectoryMake(0755);
  fixture.FilePut(path + "/file", "precious");
  fixture.LinkPut(path + "/link", path + "/file");
  fixture.LinkPut(path + "/dangling", path + "/absent");
  fixture.FifoPut(path + "/fifo");
  const Directory directory = Open(platform, path);
  for (const char* name : {"file", "link", "dangling", "fifo"}) {
    File file;
    CHECK(FileCreate(platform, directory, name, &file).error == EEXIST);
  }
  CHECK(fixture.FileGet(path + "/file") == "precious");
  CHECK(List(platform, directory).count("absent") == 0);
  DirectoryClose(platform, directory);
}

TEST_CASE("parts are written in order, and read back in pieces of any size") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const std::string path = fixture.DirectoryMake(0755);
  const Directory directory = Open(platform, path);
  const File created = Create(platform, directory, "file");
  const ConstPart parts[] = {{"prefix ", 7}, {nullptr, 0}, {"token", 5}, {" suffix", 7}};
  const IoResult written = FileWrite(platform, created, parts, 4);
  REQUIRE(written.ok());
  CHECK(written.count == 19);
  WriteAll(platform, created, " and more");
  FileClose(platform, created);
  CHECK(fixture.FileGet(path + "/file") == "prefix token suffix and more");
  for (const size_t piece_size : {1U, 3U, 28U, 4096U}) {
    File file;
    REQUIRE(FileOpenAt(platform, directory, "file", &file).ok());
    CHECK(ReadAll(platform, file, piece_size) == "prefix token suffix and more");
    char byte = 0;
    const IoResult end = FileRead(platform, file, &byte, 1);
    CHECK(end.ok());
    CHECK(end.count == 0);
    FileClose(platform, file);
  }
  DirectoryClose(platform, directory);
}

TEST_CASE("sixteen parts go out in one call") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const std::string path = fixture.DirectoryMake(0755);
  const Directory directory = Open(platform, path);
  const File file = Create(platform, directory, "file");
  const std::string letters = "abcdefghijklmnop";
  ConstPart parts[kWritePartCountMax];
  for (size_t index = 0; index < kWritePartCountMax; ++index) parts[index] = {&letters[index], 1};
  CHECK(FileWrite(platform, file, parts, kWritePartCountMax).count == 16);
  FileClose(platform, file);
  CHECK(fixture.FileGet(path + "/file") == letters);
  DirectoryClose(platform, directory);
}

TEST_CASE("opening in a directory refuses links and doesn't hang on a FIFO") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const std::string path = fixture.DirectoryMake(0755);
  fixture.FilePut(path + "/file", "content");
  fixture.LinkPut(path + "/link", path + "/file");
  fixture.FifoPut(path + "/fifo");
  const Directory directory = Open(platform, path);
  File file;
  CHECK(FileOpenAt(platform, directory, "absent", &file).error == ENOENT);
  CHECK(FileOpenAt(platform, directory, "link", &file).error == ELOOP);
  REQUIRE(FileOpenAt(platform, directory, "fifo", &file).ok());
  FileFacts facts;
  REQUIRE(FileInspect(platform, file, &facts).ok());
  CHECK_FALSE(facts.is_regular);
  FileClose(platform, file);
  DirectoryClose(platform, directory);
}

TEST_CASE("opening by path follows links, but not for ever") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const std::string path = fixture.DirectoryMake(0755);
  fixture.FilePut(path + "/file", "content");
  fixture.LinkPut(path + "/link", path + "/file");
  fixture.LinkPut(path + "/loop", path + "/loop");
  fixture.LinkPut(path + "/dangling", path + "/absent");
  File file;
  REQUIRE(FileOpen(platform, (path + "/link").c_str(), &file).ok());
  CHECK(ReadAll(platform, file) == "content");
  FileClose(platform, file);
  CHECK(FileOpen(platform, (path + "/loop").c_str(), &file).error == ELOOP);
  CHECK(FileOpen(platform, (path + "/dangling").c_str(), &file).error == ENOENT);
  CHECK(FileOpen(platform, (path + "/absent").c_str(), &file).error == ENOENT);
  CHECK(FileOpen(platform, (path + "/no/file").c_str(), &file).error == ENOENT);
}

TEST_CASE("a directory opened as a file is no regular file, and can't be read") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  File file;
  REQUIRE(FileOpen(platform, fixture.DirectoryMake(0755).c_str(), &file).ok());
  FileFacts facts;
  REQUIRE(FileInspect(platform, file, &facts).ok());
  CHECK_FALSE(facts.is_regular);
  char byte = 0;
  CHECK(FileRead(platform, file, &byte, 1).error == EISDIR);
  FileClose(platform, file);
}

TEST_CASE("a rename replaces in one step; who has the old file open reads it on") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const std::string path = fixture.DirectoryMake(0755);
  fixture.FilePut(path + "/token", "old");
  const Directory directory = Open(platform, path);
  File reader;
  REQUIRE(FileOpenAt(platform, directory, "token", &reader).ok());
  const File writer = Create(platform, directory, ".token.tmp");
  WriteAll(platform, writer, "new");
  FileClose(platform, writer);
  CHECK(fixture.FileGet(path + "/token") == "old");
  REQUIRE(FileRename(platform, directory, ".token.tmp", "token").ok());
  CHECK(fixture.FileGet(path + "/token") == "new");
  CHECK(ReadAll(platform, reader) == "old");
  CHECK(List(platform, directory) == std::multiset<std::string>{"token"});
  CHECK(FileRename(platform, directory, ".token.tmp", "token").error == ENOENT);
  CHECK(fixture.FileGet(path + "/token") == "new");
  REQUIRE(FileRename(platform, directory, "token", "elsewhere").ok());
  CHECK(fixture.FileGet(path + "/elsewhere") == "new");
  FileClose(platform, reader);
  DirectoryClose(platform, directory);
}

TEST_CASE("a rename over a link replaces the link and leaves its target") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const std::string path = fixture.DirectoryMake(0755);
  fixture.FilePut(path + "/other", "other");
  fixture.LinkPut(path + "/token", path + "/other");
  fixture.FilePut(path + "/tmp", "new");
  const Directory directory = Open(platform, path);
  REQUIRE(FileRename(platform, directory, "tmp", "token").ok());
  CHECK(fixture.FileGet(path + "/token") == "new");
  CHECK(fixture.FileGet(path + "/other") == "other");
  DirectoryClose(platform, directory);
}

TEST_CASE("a removed file lives on for those who have it open") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const std::string path = fixture.DirectoryMake(0755);
  fixture.FilePut(path + "/file", "content");
  const Directory directory = Open(platform, path);
  File file;
  REQUIRE(FileOpenAt(platform, directory, "file", &file).ok());
  REQUIRE(FileRemove(platform, directory, "file").ok());
  CHECK(FileRemove(platform, directory, "file").error == ENOENT);
  CHECK(ReadAll(platform, file) == "content");
  FileClose(platform, file);
  DirectoryClose(platform, directory);
}

TEST_CASE("in a directory that is gone nothing is created") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const std::string path = fixture.DirectoryMake(0755);
  const Directory directory = Open(platform, path);
  fixture.DirectoryRemove(path);
  File file;
  CHECK(FileCreate(platform, directory, "file", &file).error == ENOENT);
  const auto visit = [](void*, const char*) { FAIL("there is nothing to visit"); };
  CHECK(DirectoryList(platform, directory, visit, nullptr).error == ENOENT);
  DirectoryClose(platform, directory);
}

TEST_CASE("a listing tells each name once") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const std::string path = fixture.DirectoryMake(0755);
  std::multiset<std::string> names;
  for (int index = 0; index < 100; ++index) {
    const std::string name = std::string(150, 'n') + std::to_string(index);
    fixture.FilePut(path + "/" + name, "x");
    names.insert(name);
  }
  for (int turn = 0; turn < 2; ++turn) {
    const Directory directory = Open(platform, path);
    CHECK(List(platform, directory) == names);
    DirectoryClose(platform, directory);
  }
}

TEST_CASE("what a listing visits may be removed meanwhile") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const std::string path = fixture.DirectoryMake(0755);
  for (int index = 0; index < 100; ++index) {
    fixture.FilePut(path + "/" + std::string(150, 'n') + std::to_string(index), "x");
  }
  struct Sweep {
    Platform& platform;
    Directory directory;
    int removed_count = 0;
  } sweep{platform, Open(platform, path)};
  const auto visit = [](void* context, const char* name) {
    Sweep& each = *static_cast<Sweep*>(context);
    if (FileRemove(each.platform, each.directory, name).ok()) ++each.removed_count;
  };
  REQUIRE(DirectoryList(platform, sweep.directory, visit, &sweep).ok());
  CHECK(sweep.removed_count == 100);
  DirectoryClose(platform, sweep.directory);
  const Directory swept = Open(platform, path);
  CHECK(List(platform, swept).empty());
  DirectoryClose(platform, swept);
}

TEST_CASE("mode, owner and both times are set as asked, and writing moves the content's time") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const Directory directory = Open(platform, fixture.DirectoryMake(0755));
  const File file = Create(platform, directory, "file");
  FileFacts before;
  REQUIRE(FileInspect(platform, file, &before).ok());
  const uint32_t uid = fixture.OwnUid();
  REQUIRE(FileSetOwner(platform, file, uid, before.group_gid).ok());
  if (uid == 0) REQUIRE(FileSetOwner(platform, file, 12, 34).ok());
  REQUIRE(FileSetMode(platform, file, 0640).ok());
  const FileTimes times{{4'102'444'800}, {1'000'000'000}, 123'456'789, 987'654'321};  // year 2100
  REQUIRE(FileSetTimes(platform, file, times).ok());
  FileFacts facts;
  REQUIRE(FileInspect(platform, file, &facts).ok());
  CHECK(facts.mode == 0640);
  CHECK(facts.owner_uid == (uid == 0 ? 12 : uid));
  CHECK(facts.group_gid == (uid == 0 ? 34 : before.group_gid));
  CHECK(facts.accessed_at_wall.unix_s == 4'102'444'800);
  CHECK(facts.accessed_ns == 123'456'789);
  CHECK(facts.modified_at_wall.unix_s == 1'000'000'000);
  CHECK(facts.modified_ns == 987'654'321);
  WriteAll(platform, file, "x");
  REQUIRE(FileInspect(platform, file, &facts).ok());
  CHECK(facts.accessed_ns == 123'456'789);
  CHECK(facts.modified_ns != 987'654'321);
  CHECK(facts.modified_at_wall.unix_s >= before.modified_at_wall.unix_s);
  FileClose(platform, file);
  DirectoryClose(platform, directory);
}

TEST_CASE("a file's facts tell its size and when it was written") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const Directory directory = Open(platform, fixture.DirectoryMake(0755));
  const File file = Create(platform, directory, "file");
  WriteAll(platform, file, std::string(20'000, 'x'));
  REQUIRE(FileSync(platform, file).ok());
  FileFacts facts;
  REQUIRE(FileInspect(platform, file, &facts).ok());
  CHECK(facts.size == 20'000);
  const int64_t age_s = ClockWall(platform).unix_s - facts.modified_at_wall.unix_s;
  CHECK(age_s >= 0);
  CHECK(age_s < 60);
  FileClose(platform, file);
  DirectoryClose(platform, directory);
}

TEST_CASE("on a full file system a write is short, then ENOSPC; a removal makes room") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const auto path = fixture.FullDirectoryMake(16 * 1024);
  if (!path) return;
  const Directory directory = Open(platform, *path);
  const File file = Create(platform, directory, "file");
  const std::string block(20 * 1024, 'x');
  const ConstPart part{block.data(), block.size()};
  uint64_t total = 0;
  IoResult result{};
  while ((result = FileWrite(platform, file, &part, 1)).ok()) total += result.count;
  CHECK(result.error == ENOSPC);
  CHECK(total > 0);
  CHECK(total <= 16 * 1024);
  FileClose(platform, file);
  REQUIRE(FileRemove(platform, directory, "file").ok());
  const File again = Create(platform, directory, "file");
  WriteAll(platform, again, "fits again");
  FileClose(platform, again);
  DirectoryClose(platform, directory);
}

TEST_CASE("a second close is misuse, and so are too many parts") {
  CHECK(Fixture::Traps([] {
    Fixture fixture;
    const Directory directory = Open(fixture.platform(), fixture.DirectoryMake(0755));
    DirectoryClose(fixture.platform(), directory);
    DirectoryClose(fixture.platform(), directory);
  }));
  CHECK(Fixture::Traps([] {
    Fixture fixture;
    const Directory directory = Open(fixture.platform(), fixture.DirectoryMake(0755));
    const File file = Create(fixture.platform(), directory, "file");
    FileClose(fixture.platform(), file);
    FileClose(fixture.platform(), file);
  }));
  CHECK(Fixture::Traps([] {
    Fixture fixture;
    const Directory directory = Open(fixture.platform(), fixture.DirectoryMake(0755));
    const File file = Create(fixture.platform(), directory, "file");
    const ConstPart parts[kWritePartCountMax + 1] = {};
    static_cast<void>(FileWrite(fixture.platform(), file, parts, kWritePartCountMax + 1));
  }));
}
