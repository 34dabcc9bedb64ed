// Sources that speak https alone, and what can become of their connections. (The engine passes
// bytes as they are: what TLS itself does is for tests/tls.)

#include <cerrno>

#include "agent/tls/tls.h"
#include "doctest.h"
#include "tests/sim/scene.h"

namespace miagent {
namespace {

// An endpoint that issues "sim.NUMBER.door", or does what a test says.
struct Door {
  uint32_t request_count = 0;
  uint32_t issued_number = 0;
  uint32_t lost_count = 0;  // of the next requests: the connection ends without an answer
  bool has_date = true;
  std::string answer;       // in place of a token
  bool ends = false;        // behind that
  bool ends_later = false;  // a minute after a token
  std::string request;
};

void DoorAnswer(void* context, SimExchange& exchange) {
  Door& door = *static_cast<Door*>(context);
  ++door.request_count;
  door.request = exchange.request;
  if (door.lost_count != 0) {
    --door.lost_count;
    return SimEnd(exchange);
  }
  if (!door.answer.empty()) {
    SimSend(exchange, door.answer);
    if (door.ends) SimEnd(exchange);
    return;
  }
  const std::string text = "sim." + std::to_string(++door.issued_number) + ".door";
  SimToken token;
  token.access_token = text;
  token.resource = "r";
  token.expires_on_unix_s = SimTrueTime(*exchange.world).unix_s + 86400;
  token.expires_in = SimExpiry::kAbsent;
  SimAnswer answer;
  answer.has_date = door.has_date;
  SimTokenSend(exchange, token, answer);
  if (!door.ends_later) return;
  SimDelay(exchange, Seconds(60));
  SimEnd(exchange);
}

struct DoorScene : Scene {
  Door door;
  SimServer* entry = nullptr;

  DoorScene() {
    TlsClose();  // what the scene before left open
    entry = &SimServerAdd(*world, SimAddress(10, 0, 0, 5, 443), DoorAnswer, &door);
    ConfigureOne();
  }

  void Set(const char* name, std::string_view value) { SimEnvironmentSet(*world, name, value); }

  int Asked() const { return static_cast<int>(door.request_count); }
  bool Said(std::string_view text) const { return door.request.find(text) != std::string::npos; }

  void Refresh() {
    RunFor(Seconds(2));
    Signal(Signal::kRefresh);
    RunFor(Seconds(2));
  }

  void Reload() {
    Signal(Signal::kReload);
    RunFor(Seconds(70));
  }
};

struct FabricScene : DoorScene {
  FabricScene() {
    Set("IDENTITY_ENDPOINT", "https://10.0.0.5/metadata/identity/oauth2/token");
    Set("IDENTITY_HEADER", "an-id");
    Set("IDENTITY_SERVER_THUMBPRINT", "0123456789ABCDEF0123456789ABCDEF01234567");
  }
};

TEST_CASE("service-fabric: a forced refresh names the token that is no good by its SHA-256") {
  FabricScene scene;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  CHECK(scene.TokenNumber() == 1);
  CHECK(scene.Said("\r\nSecret: an-id\r\n"));
  CHECK(scene.Said("api-version=2019-07-01-preview"));
  CHECK_FALSE(scene.Said("token_sha256_to_refresh"));
  scene.Refresh();
  CHECK(scene.TokenNumber() == 2);
  // printf sim.1.door | sha256sum
  CHECK(
      scene.Said("token_sha256_to_refresh="
                 "2530e015924f16d5a3ea2d4a641ec2771e39a1cff4c892325be43f6eeeb7f195"));
  CHECK(scene.entry->connection_count == 1);
}

TEST_CASE("service-fabric: a reload reads its variables again, and trusts nobody from before") {
  FabricScene scene;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.Set("IDENTITY_SERVER_THUMBPRINT", "1123456789ABCDEF0123456789ABCDEF01234567");
  scene.Set("IDENTITY_API_VERSION", "2030-01-01");
  scene.Reload();
  scene.Refresh();
  CHECK(scene.Said("api-version=2030-01-01"));
  CHECK(scene.entry->connection_count == 2);
}

struct WorkloadScene : DoorScene {
  static constexpr const char* kAssertionPath = "/var/run/assertion";

  WorkloadScene() {
    Set("AZURE_AUTHORITY_HOST", "https://10.0.0.5/");
    Set("AZURE_TENANT_ID", "tenant-one");
    Set("AZURE_CLIENT_ID", "client-one");
    Set("AZURE_FEDERATED_TOKEN_FILE", kAssertionPath);
    SimFileAdd(*world, kAssertionPath, "an-assertion\n", 0600);
    ConfigureOne("source = workload-identity\n");
  }
};

TEST_CASE("workload-identity: shows the assertion that is on its file at that moment") {
  WorkloadScene scene;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  CHECK(scene.TokenNumber() == 1);
  CHECK(scene.Said("POST /tenant-one/oauth2/v2.0/token "));
  CHECK(scene.Said("client_assertion=an-assertion"));
  SimFileAdd(*scene.world, WorkloadScene::kAssertionPath, "another-one", 0600);
  scene.Refresh();
  CHECK(scene.Said("client_assertion=another-one"));
  CHECK(scene.TokenNumber() == 2);
  CHECK_FALSE(scene.Logged("another-one"));
}

TEST_CASE("workload-identity: an assertion that can't be read is said, and the token stays") {
  WorkloadScene scene;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  SUBCASE("it isn't there") {
    SimFileRemove(*scene.world, WorkloadScene::kAssertionPath);
    scene.Refresh();
  }
  SUBCASE("the disk is bad") {
    SimFail(*scene.world, Verb::kFileRead, EIO, 0, 1);
    scene.Refresh();
  }
  SUBCASE("it is something else") {
    SimFileAdd(*scene.world, WorkloadScene::kAssertionPath, "two words", 0600);
    scene.Refresh();
  }
  CHECK(scene.Logged("event=refresh_failed"));
  CHECK(scene.Asked() == 1);
  CHECK(scene.TokenNumber() == 1);
  SimFileAdd(*scene.world, WorkloadScene::kAssertionPath, "another-one", 0600);
  scene.RunFor(Seconds(400));
  CHECK(scene.TokenNumber() == 2);
}

TEST_CASE("https: of a name's addresses, the next where one refuses") {
  WorkloadScene scene;
  scene.Set("AZURE_AUTHORITY_HOST", "https://login.test/");
  SimFileAdd(*scene.world, "/etc/hosts", "10.0.0.9 login.test\n10.0.0.5 login.test\n", 0644);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  CHECK(scene.TokenNumber() == 1);
  CHECK(scene.Said("\r\nHost: login.test\r\n"));
}

// Without AZURE_AUTHORITY_HOST the authority is the cloud's, whose host is known with the cloud.
TEST_CASE(
    "workload-identity: without an authority of the environment, asks the login of the cloud") {
  WorkloadScene scene;
  scene.Set("AZURE_AUTHORITY_HOST", "");
  std::string host;
  SUBCASE("public, where nothing is said") {
    host = "login.microsoftonline.com";
    scene.ConfigureOne("source = workload-identity\n");
  }
  SUBCASE("china") {
    host = "login.chinacloudapi.cn";
    scene.Configure(
        "[agent]\ncloud = china\n"
        "[token storage]\nresource = https://storage.azure.com/\nsource = workload-identity\n"
        "[file /run/tokens/storage]\ntoken = storage\n");
  }
  SimFileAdd(*scene.world, "/etc/hosts", "10.0.0.5 " + host + "\n", 0644);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  CHECK(scene.TokenNumber() == 1);
  CHECK(scene.Said("POST /tenant-one/oauth2/v2.0/token HTTP/1.1\r\n"));
  CHECK(scene.Said("\r\nHost: " + host + "\r\n"));
}

TEST_CASE("https: of a name's addresses, one that can't even be begun with is passed over") {
  WorkloadScene scene;
  scene.Set("AZURE_AUTHORITY_HOST", "https://login.test/");
  SimFileAdd(*scene.world, "/etc/hosts",
             "10.0.0.9 login.test\n10.0.0.8 login.test\n10.0.0.5 login.test\n", 0644);
  SimServer& denied = SimServerAdd(*scene.world, SimAddress(10, 0, 0, 8, 443), DoorAnswer, nullptr);
  denied.greeting = SimGreeting::kDeny;
  denied.greeting_error = EACCES;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  CHECK(scene.TokenNumber() == 1);
  CHECK_FALSE(scene.Logged("refresh_failed"));
}

TEST_CASE("https: a policy that forbids the endpoint is told as that") {
  FabricScene scene;
  scene.entry->greeting = SimGreeting::kDeny;
  scene.entry->greeting_error = EACCES;
  CHECK(scene.Once() == 75);
  CHECK(scene.Logged("not allowed to connect: permission denied"));
}

TEST_CASE("https: a socket that can't be had is a failure like any") {
  FabricScene scene;
  SimFail(*scene.world, Verb::kSocketConnect, EMFILE, 0, 1);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  CHECK(scene.Logged("event=refresh_failed"));
  CHECK(scene.TokenNumber() == 1);
}

TEST_CASE(
    "https: a kept connection that the server has closed is opened again, without a failure") {
  FabricScene scene;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.door.lost_count = 1;
  scene.Refresh();
  CHECK(scene.TokenNumber() == 2);
  CHECK(scene.Asked() == 3);
  CHECK(scene.entry->connection_count == 2);
  CHECK_FALSE(scene.Logged("refresh_failed"));
}

TEST_CASE("https: where a kept connection can't be opened again, that is what is told") {
  FabricScene scene;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.door.lost_count = 1;
  scene.entry->greeting = SimGreeting::kDeny;
  scene.entry->greeting_error = EACCES;
  scene.Refresh();
  CHECK(scene.Logged("not allowed to connect: permission denied"));
  CHECK(scene.TokenNumber() == 1);
}

// The server has taken the request: asked again at once, it would be done twice.
TEST_CASE("https: a kept connection that ends within an answer is a failure") {
  FabricScene scene;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.door.answer = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{";
  scene.door.ends = true;
  scene.RunFor(Seconds(2));
  scene.Signal(Signal::kRefresh);
  scene.RunFor(Milliseconds(500));
  CHECK(scene.Asked() == 2);
  CHECK(scene.Logged("event=refresh_failed"));
  CHECK(scene.entry->connection_count == 1);
}

TEST_CASE("https: the end of a kept connection is noticed while nothing is asked") {
  FabricScene scene;
  scene.door.ends_later = true;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  const uint32_t open_count = scene.world->open_handle_count;
  scene.RunFor(Seconds(60));
  CHECK(scene.world->open_handle_count == open_count - 1);
  scene.Refresh();
  CHECK(scene.TokenNumber() == 2);
  CHECK(scene.Asked() == 2);
}

TEST_CASE("https: a connection that ends without a byte, and what is no answer, is tried again") {
  FabricScene scene;
  SUBCASE("an end") { scene.door.lost_count = 1; }
  SUBCASE("no HTTP") { scene.door.answer = "SSH-2.0-x\r\n\r\n"; }
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  CHECK(scene.Logged("event=refresh_failed"));
  scene.door.answer.clear();
  scene.RunFor(Seconds(400));
  CHECK(scene.TokenNumber() == 1);
}

TEST_CASE("https: an answer without a Date tells no time, and is as good") {
  FabricScene scene;
  scene.door.has_date = false;
  CHECK(scene.Once() == 0);
  CHECK(scene.TokenNumber() == 1);
}

TEST_CASE("https: a request that goes out in pieces, and has to wait for room") {
  FabricScene scene;
  scene.world->socket_write_size_max = 7;
  const SimFault* const fault = SimFail(*scene.world, Verb::kSocketWrite, EAGAIN, 3, 2);
  CHECK(scene.Once() == 0);
  CHECK(fault->fired_count != 0);
  CHECK(scene.TokenNumber() == 1);
}

TEST_CASE("https: a connection that can't be watched is not waited for, and not kept") {
  for (uint32_t skip = 0; skip < 3; ++skip) {
    CAPTURE(skip);
    FabricScene scene;
    const SimFault* const fault = SimFail(*scene.world, Verb::kSocketWatch, ENOMEM, skip, 1);
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(10));
    CHECK(scene.TokenNumber() == 1);
    scene.Refresh();
    CHECK(fault->fired_count == 1);
    CHECK(scene.TokenNumber() == 2);
  }
}

TEST_CASE(
    "https: SIGHUP in the middle of an exchange leaves it alone, where it is still asked for") {
  FabricScene scene;
  scene.Start(CommandId::kRun);
  REQUIRE(scene.agent->request.token_index == 0);
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(5));
  CHECK(scene.TokenNumber() == 1);
  CHECK(scene.Asked() == 1);
  CHECK(scene.entry->connection_count == 1);
}

TEST_CASE("https: a reload from http to https, all else the same, asks anew") {
  DoorScene scene;
  scene.ConfigureOne("source = imds\nendpoint = http://10.0.0.5:443/token\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  REQUIRE(scene.TokenNumber() == 1);
  scene.Reload();
  CHECK(scene.Asked() == 1);
  scene.ConfigureOne("source = imds\nendpoint = https://10.0.0.5:443/token\n");
  scene.Reload();
  CHECK(scene.Asked() == 2);
  CHECK(scene.TokenNumber() == 2);
  CHECK(scene.entry->connection_count == 2);
}

}  // namespace
}  // namespace miagent
