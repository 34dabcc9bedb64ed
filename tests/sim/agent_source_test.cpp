// The sources as the agent speaks them: Azure Arc's challenge and its key file, and what a reload
// reads again.

#include <cerrno>

#include "doctest.h"
#include "tests/sim/scene.h"

namespace miagent {
namespace {

constexpr const char* kKeyPath = "/var/opt/azcmagent/tokens/1a2b.key";

// Azure's agent on a machine of one's own: gives a challenge, then a token for the key.
struct Himds {
  std::string challenge = std::string("Basic realm=") + kKeyPath;
  std::string key = "QUFB/+==";
  std::string answer;             // in place of the token's body
  uint32_t answer_status = 200;   // of a request with the key
  uint32_t first_status = 401;    // of one without
  bool closes = false;
  bool ends_after_challenge = false;
  Duration second_delay;
  uint32_t first_count = 0;
  uint32_t second_count = 0;
  uint32_t wrong_count = 0;
  std::string first_request;
  std::string second_request;
};

void HimdsAnswer(void* context, SimExchange& exchange) {
  Himds& himds = *static_cast<Himds*>(context);
  const std::string credentials(SimRequestHeader(exchange, "authorization"));
  SimAnswer answer;
  answer.closes = himds.closes;
  if (credentials.empty()) {
    ++himds.first_count;
    himds.first_request = exchange.request;
    const std::string header =
        himds.challenge.empty() ? "" : "WWW-Authenticate: " + himds.challenge + "\r\n";
    answer.status = himds.first_status;
    answer.headers = header;
    answer.body = himds.answer;
    if (himds.first_status == 200) {
      SimToken token;
      token.access_token = "sim.99.of-somebody-else";
      token.resource = "r";
      token.expires_in_s = 86400;
      token.expires_on_unix_s = SimTrueTime(*exchange.world).unix_s + 86400;
      SimTokenSend(exchange, token, answer);
      return;
    }
    SimAnswerSend(exchange, answer);
    if (himds.ends_after_challenge) SimEnd(exchange);
    return;
  }
  ++himds.second_count;
  himds.second_request = exchange.request;
  SimDelay(exchange, himds.second_delay);
  answer.status = himds.answer_status;
  if (credentials != "Basic " + himds.key) {
    ++himds.wrong_count;
    answer.status = 403;
  }
  const std::string number = std::to_string(himds.second_count);
  const std::string expires_on = std::to_string(SimTrueTime(*exchange.world).unix_s + 86400);
  const std::string body = "{\"access_token\":\"sim." + number + ".arc\",\"expires_on\":\"" +
                           expires_on + "\",\"token_type\":\"Bearer\"" + himds.answer + "}";
  answer.body = answer.status == 200 ? std::string_view(body) : std::string_view(himds.answer);
  SimAnswerSend(exchange, answer);
}

struct ArcScene : Scene {
  Himds himds;
  SimServer* arc = nullptr;

  ArcScene() {
    arc = &SimServerAdd(*world, SimAddress(127, 0, 0, 1, 40342), HimdsAnswer, &himds);
    SimFileAdd(*world, "/opt/azcmagent/bin/himds", "", 0755);
    KeyPut(himds.key);
  }
  void KeyPut(std::string_view content, uint32_t mode = 0640) {
    SimFileAdd(*world, kKeyPath, content, mode);
  }
};

TEST_CASE("arc: found by its program, a challenge, a key, a token") {
  ArcScene scene;
  scene.ConfigureOne();
  CHECK(scene.Once() == 0);
  CHECK(scene.TokenNumber() == 1);
  CHECK(scene.himds.first_count == 1);
  CHECK(scene.himds.second_count == 1);
  CHECK(scene.arc->connection_count == 1);
  CHECK(scene.Requests() == 0);
  CHECK(scene.left_open_count == 0);
  CHECK(scene.himds.first_request ==
        "GET /metadata/identity/oauth2/token?api-version=2020-06-01&resource="
        "https%3A%2F%2Fstorage.azure.com%2F HTTP/1.1\r\nHost: 127.0.0.1:40342\r\n"
        "Metadata: true\r\nAccept: application/json\r\nUser-Agent: miagent\r\n\r\n");
  CHECK(scene.himds.second_request ==
        "GET /metadata/identity/oauth2/token?api-version=2020-06-01&resource="
        "https%3A%2F%2Fstorage.azure.com%2F HTTP/1.1\r\nHost: 127.0.0.1:40342\r\n"
        "Metadata: true\r\nAuthorization: Basic QUFB/+==\r\n"
        "Accept: application/json\r\nUser-Agent: miagent\r\n\r\n");
}

TEST_CASE("arc: a server that closes after each answer, and one that just ends") {
  ArcScene scene;
  scene.himds.closes = true;
  scene.ConfigureOne();
  CHECK(scene.Once() == 0);
  CHECK(scene.arc->connection_count == 2);
  ArcScene other;
  other.himds.ends_after_challenge = true;
  other.ConfigureOne();
  CHECK(other.Once() == 0);
  CHECK(other.TokenNumber() == 1);
}

TEST_CASE("arc: each refresh has a challenge of its own, and the key may change") {
  ArcScene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  CHECK(scene.TokenNumber() == 1);
  scene.himds.key = "another";
  scene.KeyPut("another\n");
  scene.Signal(Signal::kRefresh);
  scene.RunFor(Seconds(10));
  CHECK(scene.TokenNumber() == 2);
  CHECK(scene.himds.first_count == 2);
  CHECK(scene.himds.wrong_count == 0);
  CHECK(scene.agent->tokens[0].request_count == 2);
  CHECK(scene.agent->tokens[0].failure_total == 0);
}

TEST_CASE("arc: the key is wiped once it is in the request, and that at the end") {
  ArcScene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  const auto holds = [&](const char* data, size_t size) {
    return std::string_view(data, size).find("QUFB/+==") != std::string_view::npos;
  };
  ActiveRequest& request = scene.agent->request;
  CHECK_FALSE(holds(request.secret, sizeof(request.secret)));
  CHECK(holds(request.bytes, sizeof(request.bytes)));
  AgentEnd(*scene.agent, *scene.world);
  CHECK_FALSE(holds(request.bytes, sizeof(request.bytes)));
  CHECK_FALSE(scene.Logged("QUFB"));
}

TEST_CASE("arc: both exchanges are one try, with one deadline") {
  ArcScene scene;
  scene.himds.second_delay = Seconds(30);
  scene.ConfigureOne();
  CHECK(scene.Once(Seconds(11)) == 75);
  CHECK(scene.himds.second_count == 1);
  CHECK(scene.world->now.boot_ms >= 10000);
  CHECK(scene.world->now.boot_ms <= 11100);
}

// Runs with a good token on the file, then breaks something and forces a refresh.
struct Broken {
  const char* said;
  void (*act)(ArcScene& scene);
};

const Broken kBroken[] = {
    // challenges
    {"an answer without the challenge that has to come first: HTTP 200",
     [](ArcScene& scene) { scene.himds.first_status = 200; }},
    {"the challenge is not 'Basic realm=PATH'",
     [](ArcScene& scene) { scene.himds.challenge = ""; }},
    {"the challenge is not 'Basic realm=PATH'",
     [](ArcScene& scene) { scene.himds.challenge = "Bearer realm=x"; }},
    {"the challenge is not 'Basic realm=PATH'",
     [](ArcScene& scene) { scene.himds.challenge += ", a=b"; }},
    {"names another file than a .key in /var/opt/azcmagent/tokens",
     [](ArcScene& scene) { scene.himds.challenge = "Basic realm=/etc/shadow"; }},
    {"names another file than a .key in /var/opt/azcmagent/tokens",
     [](ArcScene& scene) {
       scene.himds.challenge = "Basic realm=/var/opt/azcmagent/tokens/../../../../etc/x.key";
     }},
    // keys
    {"can't open the key file that the challenge names: no such file or directory",
     [](ArcScene& scene) {
       scene.himds.challenge = "Basic realm=/var/opt/azcmagent/tokens/absent.key";
     }},
    {"can't open the key file that the challenge names: permission denied",
     [](ArcScene& scene) {
       scene.KeyPut("k", 0600);
       scene.world->process.uid = 1000;
       scene.world->process.gid = 1000;
       SimFileFind(*scene.world, "/run/tokens/storage")->owner_uid = 1000;
     }},
    {"the key file or its directory is a symbolic link",
     [](ArcScene& scene) {
       SimLinkAdd(*scene.world, "/var/opt/azcmagent/tokens/l.key", kKeyPath);
       scene.himds.challenge = "Basic realm=/var/opt/azcmagent/tokens/l.key";
     }},
    {"the key file or its directory is a symbolic link",
     [](ArcScene& scene) {
       SimDirectoryMove(*scene.world, "/var/opt/azcmagent/tokens");
       SimDirectoryLinkAdd(*scene.world, "/var/opt/azcmagent/tokens");
     }},
    {"the key file or its directory is a symbolic link",  // as another kernel may say it
     [](ArcScene& scene) { SimFail(*scene.world, Verb::kDirectoryOpen, ELOOP, 0, 1); }},
    {"can't open the key file that the challenge names: no such file or directory",
     [](ArcScene& scene) { SimDirectoryMove(*scene.world, "/var/opt/azcmagent/tokens"); }},
    {"can't open the key file that the challenge names: ",
     [](ArcScene& scene) { SimFail(*scene.world, Verb::kFileInspect, EIO, 0, 1); }},
    {"can't open the key file that the challenge names: ",
     [](ArcScene& scene) { SimFail(*scene.world, Verb::kFileRead, EIO, 0, 1); }},
    {"the key file is no regular file",
     [](ArcScene& scene) {
       SimFifoAdd(*scene.world, "/var/opt/azcmagent/tokens/f.key");
       scene.himds.challenge = "Basic realm=/var/opt/azcmagent/tokens/f.key";
     }},
    {"the key file is larger than 4096 bytes",
     [](ArcScene& scene) { scene.KeyPut(std::string(4097, 'k')); }},
    {"the key file is empty or has bytes that no header has",
     [](ArcScene& scene) { scene.KeyPut(""); }},
    {"the key file is empty or has bytes that no header has",
     [](ArcScene& scene) { scene.KeyPut("key\r\nX-Forged: y"); }},
};

TEST_CASE("arc: what is wrong with challenge or key is said, is 65, and the file stays") {
  for (const Broken& broken : kBroken) {
    CAPTURE(broken.said);
    ArcScene scene;
    scene.ConfigureOne();
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(10));
    REQUIRE(scene.TokenNumber() == 1);
    broken.act(scene);
    scene.Signal(Signal::kRefresh);
    scene.RunFor(Seconds(60));
    CHECK(scene.Logged(broken.said));
    CHECK(scene.TokenNumber() == 1);
    CHECK(scene.himds.second_count == 1);  // nothing was shown to whoever asked
    CHECK(scene.himds.first_count == 2);   // asked again in five minutes
    CHECK(FaultLookUp(scene.agent->tokens[0].failure.fault).exit_code == 65);
  }
}

TEST_CASE("arc: `once` ends with 65 at once") {
  ArcScene scene;
  scene.himds.challenge = "Basic realm=/etc/shadow";
  scene.ConfigureOne();
  CHECK(scene.Once() == 65);
  CHECK(scene.himds.first_count == 1);
  CHECK(scene.left_open_count == 0);
  CHECK(scene.Logged("miagent: token storage: azure-arc at http://127.0.0.1:40342: the challenge"));
}

TEST_CASE("arc: a first status that is neither is the service's own error") {
  ArcScene scene;
  scene.himds.first_status = 404;
  scene.himds.answer = R"({"error":"identity_not_found","error_description":"No such identity"})";
  scene.ConfigureOne();
  CHECK(scene.Once(Seconds(1)) == 75);
  CHECK(scene.Logged("HTTP 404 identity_not_found: No such identity"));
  ArcScene refused;
  refused.himds.first_status = 403;
  refused.ConfigureOne();
  CHECK(refused.Once() == 69);
}

TEST_CASE("arc: a key that isn't taken is a refusal, not another challenge") {
  ArcScene scene;
  scene.himds.answer_status = 401;
  scene.ConfigureOne();
  CHECK(scene.Once() == 69);
  CHECK(scene.himds.first_count == 1);
  CHECK(scene.himds.second_count == 1);
  CHECK(scene.Logged("refused: HTTP 401"));
}

TEST_CASE("arc: fails closed where the identity isn't echoed") {
  constexpr const char* kLine = "client_id = 11111111-2222-3333-4444-55555555555a\n";
  ArcScene scene;
  scene.ConfigureOne(kLine);
  CHECK(scene.Once() == 65);
  CHECK(scene.File() == "-");
  CHECK(scene.Logged("the token is not said to be of the identity asked for"));
  ArcScene other;
  other.himds.answer = R"(,"client_id":"11111111-2222-3333-4444-55555555555A")";
  other.ConfigureOne(kLine);
  CHECK(other.Once() == 0);
  CHECK(other.TokenNumber() == 1);
  CHECK(other.himds.first_request.find("&client_id=11111111-2222-3333-4444-55555555555a ") !=
        std::string::npos);
  CHECK(other.himds.second_request.find("&client_id=11111111-2222-3333-4444-55555555555a ") !=
        std::string::npos);
}

// ---- variables ------------------------------------------------------------------------------

struct HeaderServer {
  std::string seen;
  std::string request;
};

void HeaderAnswer(void* context, SimExchange& exchange) {
  auto& server = *static_cast<HeaderServer*>(context);
  server.seen = SimRequestHeader(exchange, "x-identity-header");
  server.request = exchange.request;
  SimToken token;
  token.access_token = "sim.1.app";
  token.resource = "r";
  token.expires_on_unix_s = SimTrueTime(*exchange.world).unix_s + 86400;
  token.expires_in = SimExpiry::kAbsent;
  SimTokenSend(exchange, token, {});
}

TEST_CASE("app-service: found by its variables; a reload reads them again") {
  Scene scene;
  HeaderServer server;
  SimServerAdd(*scene.world, SimAddress(127, 0, 0, 1, 41), HeaderAnswer, &server);
  SimEnvironmentSet(*scene.world, "IDENTITY_ENDPOINT", "http://localhost:41/msi/token/");
  SimEnvironmentSet(*scene.world, "IDENTITY_HEADER", "first");
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  CHECK(server.seen == "first");
  CHECK(scene.TokenNumber() == 1);
  SimEnvironmentSet(*scene.world, "IDENTITY_HEADER", "second");
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(70));
  scene.Signal(Signal::kRefresh);
  scene.RunFor(Seconds(10));
  CHECK(server.seen == "second");
  SimEnvironmentSet(*scene.world, "IDENTITY_HEADER", "a\r\nX: y");
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(70));
  CHECK(scene.Logged("IDENTITY_HEADER: has a blank or another byte that no header has"));
  CHECK_FALSE(scene.Logged("X: y"));
}

TEST_CASE("azure-ml: the identity of the variables, unless the token names one") {
  for (const std::string own : {"", "11111111-2222-3333-4444-55555555555a"}) {
    CAPTURE(own);
    Scene scene;
    HeaderServer server;
    SimServerAdd(*scene.world, SimAddress(127, 0, 0, 1, 41), HeaderAnswer, &server);
    SimEnvironmentSet(*scene.world, "MSI_ENDPOINT", "http://localhost:41/msi/token");
    SimEnvironmentSet(*scene.world, "MSI_SECRET", "s");
    SimEnvironmentSet(*scene.world, "DEFAULT_IDENTITY_CLIENT_ID", "of-the-compute");
    scene.ConfigureOne("source = azure-ml\n" + (own.empty() ? "" : "client_id = " + own + "\n"));
    CHECK(scene.Once() == 0);
    CHECK(scene.TokenNumber() == 1);
    const std::string expected = "&clientid=" + (own.empty() ? "of-the-compute" : own) + " HTTP";
    CHECK(server.request.find(expected) != std::string::npos);
  }
}

}  // namespace
}  // namespace miagent
