// Key Vault secrets in files: when the vault is asked, and what its answers do.

#include "agent/tls/tls.h"
#include "doctest.h"
#include "tests/sim/scene.h"

namespace miagent {
namespace {

constexpr const char* kPath = "/run/tokens/db";

// A vault with one secret.
struct Vault {
  std::string value = "p4ssword";
  uint32_t status = 200;
  std::string headers;
  std::string refused;  // a token that it refuses
  Duration delay;
  uint32_t request_count = 0;
  std::string request;
  std::string shown;
  Instant asked_at;
};

void VaultAnswer(void* context, SimExchange& exchange) {
  Vault& vault = *static_cast<Vault*>(context);
  ++vault.request_count;
  vault.request = exchange.request;
  vault.shown = SimRequestHeader(exchange, "authorization");
  vault.asked_at = exchange.world->now;
  SimDelay(exchange, vault.delay);
  SimAnswer answer;
  answer.status = vault.status;
  answer.headers = vault.headers;
  if (!vault.refused.empty() && vault.shown == vault.refused) answer.status = 401;
  const std::string body =
      answer.status == 200
          ? "{\"value\":\"" + vault.value + "\",\"id\":\"x\",\"attributes\":{\"enabled\":true}}"
          : "{\"error\":{\"code\":\"Forbidden\",\"message\":\"no\"}}";
  answer.body = body;
  SimAnswerSend(exchange, answer);
}

struct VaultScene : Scene {
  Vault vault;
  SimServer* door = nullptr;

  VaultScene() {
    TlsClose();  // what the scene before left open
    door = &SimServerAdd(*world, SimAddress(10, 0, 0, 4, 443), VaultAnswer, &vault);
    ConfigureSecret();
  }

  void ConfigureSecret(const std::string& secret_lines = "", const std::string& file_lines = "") {
    Configure(
        "[token vault]\nresource = vault\n[secret db]\nvault = https://10.0.0.4\n"
        "name = Password\ntoken = vault\n" +
        secret_lines + "[file /run/tokens/db]\nsecret = db\n" + file_lines);
  }

  void KillAndStart() {
    TlsClose();  // the process is gone, and its session with it
    Scene::KillAndStart();
  }

  int Asked() const { return static_cast<int>(vault.request_count); }
  const TokenState& State() const { return agent->tokens[1]; }
};

TEST_CASE("secret: after its token, with it, into the file") {
  VaultScene scene;
  CHECK(scene.Once() == 0);
  CHECK(scene.File(kPath) == "p4ssword");
  CHECK(SimFileFind(*scene.world, kPath)->mode == 0600);
  CHECK(scene.Requests() == 1);
  CHECK(scene.Asked() == 1);
  CHECK(scene.left_open_count == 0);
  const std::string begin =
      "GET /secrets/Password?api-version=7.4 HTTP/1.1\r\nHost: 10.0.0.4\r\n"
      "Authorization: Bearer sim.1.";
  CHECK(scene.vault.request.substr(0, begin.size()) == begin);
}

TEST_CASE("secret: every refresh, less a little; the same value touches nothing") {
  VaultScene scene;
  scene.ConfigureSecret("refresh = 1h\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  const uint32_t published = scene.agent->files[0].published_count;
  scene.RunFor(Seconds(3600 - 181));
  CHECK(scene.Asked() == 1);
  scene.RunFor(Seconds(182));
  CHECK(scene.Asked() == 2);
  CHECK(scene.agent->files[0].published_count == published);
  scene.vault.value = "rotated";
  scene.RunFor(Seconds(3600));
  CHECK(scene.File(kPath) == "rotated");
  CHECK(scene.agent->files[0].published_count == published + 1);
  CHECK(scene.Requests() == 1);
}

TEST_CASE("secret: the shortest refresh is never sooner than 60 s") {
  VaultScene scene;
  scene.ConfigureSecret("refresh = 1m\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(601));
  CHECK(scene.Asked() >= 10);
  CHECK(scene.Asked() <= 11);
}

TEST_CASE("secret: waits for its token, without a failure of its own") {
  VaultScene scene;
  scene.Fails(500, 3);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(9));
  CHECK(scene.Asked() == 0);
  CHECK(scene.State().failure_total == 0);
  CHECK(scene.File(kPath) == "-");
  scene.RunFor(Seconds(60));
  CHECK(scene.File(kPath) == "p4ssword");
}

TEST_CASE("secret: once gives up with its token's failure") {
  VaultScene scene;
  scene.Fails(400, 1, "", "{\"error\":\"invalid_resource\"}");
  CHECK(scene.Once() == 69);
  CHECK(scene.Asked() == 0);
}

TEST_CASE("secret: once is out of time with a vault that says nothing") {
  VaultScene scene;
  scene.vault.status = 503;
  CHECK(scene.Once(Seconds(5)) == 75);
  CHECK(scene.File(kPath) == "-");
}

TEST_CASE("secret: a 401 has the token refreshed by force, once, and the vault asked again") {
  VaultScene scene;
  scene.ConfigureSecret("refresh = 5m\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.vault.refused = scene.vault.shown;
  scene.vault.value = "rotated";
  scene.RunFor(Seconds(300));
  CHECK(scene.imds->bypass_count == 1);
  CHECK(scene.Requests() == 2);
  CHECK(scene.Asked() == 3);
  CHECK(scene.File(kPath) == "rotated");
  CHECK(scene.State().failure_total == 0);
  CHECK_FALSE(scene.State().is_rejected);
}

TEST_CASE("secret: a vault that refuses every token is polled slowly") {
  VaultScene scene;
  scene.vault.status = 401;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(59));
  CHECK(scene.Requests() == 1);  // the token's own minute holds
  CHECK(scene.Asked() == 1);
  scene.RunFor(Seconds(231));
  CHECK(scene.Requests() == 2);
  CHECK(scene.Asked() == 2);
  CHECK(scene.State().failure_total == 1);
  scene.RunFor(Seconds(3600));
  CHECK(scene.Requests() == 2);
  CHECK(scene.Asked() <= 15);
  scene.vault.status = 200;
  scene.RunFor(Seconds(400));
  CHECK(scene.File(kPath) == "p4ssword");
}

TEST_CASE("secret: once, with a 401, waits for the token's minute and asks again") {
  VaultScene scene;
  scene.vault.status = 401;
  CHECK(scene.Once() == 69);
  CHECK(scene.Requests() == 2);
  CHECK(scene.Asked() == 2);
}

TEST_CASE("secret: an outage of the vault keeps the file, whatever on_expiry says") {
  VaultScene scene;
  scene.ConfigureSecret("refresh = 10m\n", "on_expiry = remove\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.vault.status = 503;
  scene.RunFor(Seconds(1250));
  CHECK(scene.Logged("event=stale secret=db"));
  scene.RunFor(Seconds(3 * 86400));
  CHECK(scene.File(kPath) == "p4ssword");
  scene.vault.status = 200;
  scene.vault.value = "rotated";
  scene.RunFor(Seconds(100));
  CHECK(scene.File(kPath) == "rotated");
  CHECK(scene.Logged("event=recovered secret=db"));
}

TEST_CASE("secret: an outage of the token's endpoint stops the questions, not the file") {
  VaultScene scene;
  scene.imds->lifetime = Seconds(3600);
  scene.ConfigureSecret("refresh = 10m\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.Fails(500, 10000);
  scene.RunFor(Seconds(3600));
  const int asked = scene.Asked();
  CHECK(asked >= 6);
  scene.RunFor(Seconds(86400));
  CHECK(scene.Asked() == asked);
  CHECK(scene.File(kPath) == "p4ssword");
}

TEST_CASE("secret: one that waits for its token is no fault of the agent's: the watchdog is told") {
  VaultScene scene;
  int told_count = 0;
  SimEnvironmentSet(*scene.world, "NOTIFY_SOCKET", "/run/systemd/notify");
  SimEnvironmentSet(*scene.world, "WATCHDOG_USEC", "60000000");
  SimReceiverAdd(*scene.world, "/run/systemd/notify");
  scene.world->hook_context = &told_count;
  scene.world->on_local = [](void* context, std::string_view, std::string_view text) {
    if (text == "WATCHDOG=1") ++*static_cast<int*>(context);
  };
  scene.imds->lifetime = Seconds(3600);
  scene.ConfigureSecret("refresh = 10m\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.Fails(500, 10000);
  scene.RunFor(Seconds(2 * 3600));
  REQUIRE(scene.agent->tokens[0].slot == kSlotNone);
  told_count = 0;
  scene.RunFor(Seconds(3600));
  CHECK(told_count == 120);
}

TEST_CASE("secret: the question goes on while a token that isn't its own expires") {
  VaultScene scene;
  const auto configure = [&scene](const std::string& secret_lines) {
    scene.Configure(
        "[token other]\nresource = storage\n[token vault]\nresource = vault\n"
        "[secret db]\nvault = https://10.0.0.4\nname = Password\ntoken = vault\n" +
        secret_lines +
        "[file /run/tokens/other]\ntoken = other\n[file /run/tokens/db]\nsecret = db\n");
  };
  configure("");
  scene.imds->delay = Seconds(1);  // between the two tokens' ends
  scene.imds->lifetime = Seconds(3600);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.imds->delay = Duration{0};
  scene.Fails(500, 10000);
  const Instant other_ends_at = scene.agent->tokens[0].expires_at;
  REQUIRE(scene.agent->tokens[1].expires_at - other_ends_at >= Milliseconds(900));
  scene.RunFor(other_ends_at - scene.world->now - Milliseconds(100));
  scene.vault.value = "second";
  scene.vault.delay = Milliseconds(200);
  configure("version = 2\n");
  scene.Signal(Signal::kReload);
  scene.RunFor(Milliseconds(150));
  CHECK(scene.agent->tokens[0].slot == kSlotNone);
  CHECK(scene.Asked() == 2);
  scene.RunFor(Milliseconds(200));
  CHECK(scene.File(kPath) == "second");
  CHECK(scene.Asked() == 2);
}

TEST_CASE("secret: a 429 is asked again when it says") {
  VaultScene scene;
  scene.vault.status = 429;
  scene.vault.headers = "Retry-After: 100\r\n";
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(99));
  CHECK(scene.Asked() == 1);
  scene.vault.status = 200;
  scene.RunFor(Seconds(30));
  CHECK(scene.File(kPath) == "p4ssword");
}

TEST_CASE("secret: 403 is polled slowly, and says what to grant") {
  VaultScene scene;
  scene.vault.status = 403;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(299));
  CHECK(scene.Asked() == 1);
  CHECK(scene.Logged("Key Vault Secrets User"));
}

TEST_CASE("secret: what another agent published stays where it is the same, else goes") {
  VaultScene scene;
  CHECK(scene.Once() == 0);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  CHECK(scene.agent->files[0].published_count == 0);
  for (const char* value : {"p4sswor", "other"}) {  // a part of what stands there; none
    scene.vault.value = value;
    scene.KillAndStart();
    scene.RunFor(Seconds(10));
    CHECK(scene.File(kPath) == value);
  }
}

TEST_CASE("secret: a file of another secret is no good for once") {
  VaultScene scene;
  CHECK(scene.Once() == 0);
  CHECK(scene.Once() == 0);
  CHECK(scene.Asked() == 1);
  scene.ConfigureSecret("version = 0123456789abcdef0123456789abcdef\n");
  CHECK(scene.Once() == 0);
  CHECK(scene.Asked() == 2);
  const std::string begin = "GET /secrets/Password/0123456789abcdef0123456789abcdef?";
  CHECK(scene.vault.request.substr(0, begin.size()) == begin);
}

TEST_CASE("secret: a reload keeps it, changes it, drops it") {
  VaultScene scene;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(10));
  CHECK(scene.Asked() == 1);
  CHECK(scene.Requests() == 1);
  scene.ConfigureSecret("refresh = 5m\n");
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(10));
  CHECK(scene.Asked() == 2);
  CHECK(scene.agent->files[0].published_count == 1);
  scene.ConfigureSecret("version = 2\n");
  scene.vault.value = "second";
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(10));
  CHECK(scene.File(kPath) == "second");
  CHECK(scene.Requests() == 1);
  scene.ConfigureOne();
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(10));
  CHECK(scene.agent->config_index < 2);
  CHECK(scene.TokenNumber() != 0);
  scene.RunFor(Seconds(86400));
  CHECK(scene.Asked() == 3);
}

TEST_CASE("secret: SIGUSR1 has a new token first, then the secret") {
  VaultScene scene;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  const std::string first = scene.vault.shown;
  scene.Signal(Signal::kRefresh);
  scene.RunFor(Seconds(10));
  CHECK(scene.Asked() == 2);
  CHECK(scene.Requests() == 2);
  CHECK(scene.vault.shown != first);
}

TEST_CASE("secret: two of one vault, by one token and over one connection") {
  VaultScene scene;
  scene.Configure(
      "[token vault]\nresource = vault\n"
      "[secret db]\nvault = https://10.0.0.4\nname = Password\ntoken = vault\n"
      "[secret api]\nvault = https://10.0.0.4\nname = Key\ntoken = vault\n"
      "[file /run/tokens/db]\nsecret = db\n[file /run/tokens/api]\nsecret = api\n"
      "[file /run/tokens/env]\nsecret = api\nformat = env\n");
  scene.vault.value = "it's";
  CHECK(scene.Once() == 0);
  CHECK(scene.Requests() == 1);
  CHECK(scene.Asked() == 2);
  CHECK(scene.door->connection_count == 1);
  CHECK(scene.File("/run/tokens/api") == "it's");
  CHECK(scene.File("/run/tokens/env") == "AZURE_SECRET_VALUE='it'\\''s'\n");
}

TEST_CASE("secret: a token that expires while it is shown is not shown to the end") {
  VaultScene scene;
  scene.imds->lifetime = Seconds(600);
  scene.Configure(
      "[agent]\ntimeout = 300\n[token vault]\nresource = vault\n[secret db]\n"
      "vault = https://10.0.0.4\nname = Password\ntoken = vault\nrefresh = 1m\n"
      "[file /run/tokens/db]\nsecret = db\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.Fails(500, 10000);
  scene.vault.delay = Seconds(290);
  scene.RunFor(Seconds(580));
  CHECK(scene.agent->request.token_index == 1);
  const int asked = scene.Asked();
  scene.RunFor(Seconds(20));
  CHECK(scene.agent->tokens[0].slot == kSlotNone);
  CHECK(scene.agent->request.token_index != 1);
  scene.RunFor(Seconds(3600));
  CHECK(scene.Asked() == asked);
  CHECK(scene.File(kPath) == "p4ssword");
}

TEST_CASE("secret: neither log nor status has the value, and the end wipes it") {
  VaultScene scene;
  scene.vault.value = "Xp4sswordX";
  scene.Configure(
      "[agent]\nlog_level = debug\nstatus_file = /run/tokens/status\n"
      "[token vault]\nresource = vault\n[secret db]\nvault = https://10.0.0.4\n"
      "name = Password\ntoken = vault\n[file /run/tokens/db]\nsecret = db\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  CHECK(scene.File("/run/tokens/status").find("\"key-vault\"") != std::string::npos);
  CHECK(scene.File("/run/tokens/status").find("Xp4") == std::string::npos);
  CHECK_FALSE(scene.Logged("Xp4"));
  AgentEnd(*scene.agent, *scene.world);
  const auto* bytes = reinterpret_cast<const char*>(scene.agent.get());
  CHECK(std::string_view(bytes, sizeof(Agent)).find("Xp4sswordX") == std::string_view::npos);
}

TEST_CASE("secret: SIGUSR1 while the vault refuses is one new token, not two") {
  VaultScene scene;
  scene.vault.status = 401;
  scene.vault.delay = Seconds(5);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(3));
  REQUIRE(scene.Asked() == 1);
  scene.Signal(Signal::kRefresh);
  scene.vault.status = 200;
  scene.RunFor(Seconds(90));
  CHECK(scene.Requests() == 2);
  CHECK(scene.File(kPath) == "p4ssword");
}

TEST_CASE(
    "secret: a vault that refuses the token, whose endpoint is gone, isn't asked with it again") {
  VaultScene scene;
  scene.ConfigureSecret("refresh = 5m\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.Fails(500, 10000);
  scene.vault.status = 401;
  scene.RunFor(Seconds(3600));
  CHECK(scene.Asked() == 2);
  CHECK(scene.Requests() > 10);
  CHECK(scene.File(kPath) == "p4ssword");
}

TEST_CASE("secret: SIGUSR1 with the token's endpoint gone asks the vault with the token in force") {
  VaultScene scene;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.Fails(500, 10000);
  scene.Signal(Signal::kRefresh);
  scene.RunFor(Seconds(10));
  CHECK(scene.Asked() == 2);
}

TEST_CASE("secret: an answer that is none is a failure, and the file stays") {
  VaultScene scene;
  scene.ConfigureSecret("refresh = 5m\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.vault.value = "\",\"value\":\"twice";
  scene.RunFor(Seconds(400));
  CHECK(scene.Asked() > 1);
  CHECK(scene.Logged("event=refresh_failed secret=db"));
  CHECK(scene.File(kPath) == "p4ssword");
}

TEST_CASE("secret: two vaults have a connection each") {
  VaultScene scene;
  Vault other;
  other.value = "other";
  SimServer& door = SimServerAdd(*scene.world, SimAddress(10, 0, 0, 6, 443), VaultAnswer, &other);
  scene.Configure(
      "[token vault]\nresource = vault\n"
      "[secret db]\nvault = https://10.0.0.4\nname = Password\ntoken = vault\n"
      "[secret api]\nvault = https://10.0.0.6\nname = Password\ntoken = vault\n"
      "[file /run/tokens/db]\nsecret = db\n[file /run/tokens/api]\nsecret = api\n");
  CHECK(scene.Once() == 0);
  CHECK(scene.File(kPath) == "p4ssword");
  CHECK(scene.File("/run/tokens/api") == "other");
  CHECK(scene.door->connection_count == 1);
  CHECK(door.connection_count == 1);
}

TEST_CASE("secret: a reload that gives it another token asks the vault anew") {
  VaultScene scene;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.Configure(
      "[token mine]\nresource = vault\nclient_id = 11111111-2222-3333-4444-555555555555\n"
      "[secret db]\nvault = https://10.0.0.4\nname = Password\ntoken = mine\n"
      "[file /run/tokens/db]\nsecret = db\n");
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(70));
  CHECK(scene.Requests() == 2);
  CHECK(scene.Asked() == 2);
}

}  // namespace
}  // namespace miagent
