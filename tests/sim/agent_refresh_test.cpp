// When the agent asks, and what it does with the answers: years of operation on the virtual clock.

#include "doctest.h"
#include "tests/sim/scene.h"

namespace miagent {
namespace {

constexpr int64_t kDay = 86400;

TEST_CASE("run: a token is on its file at once, with the mode configured") {
  Scene scene;
  scene.ConfigureOne("", "mode = 0640\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  CHECK(scene.TokenNumber() == 1);
  CHECK(scene.Requests() == 1);
  CHECK(SimFileFind(*scene.world, "/run/tokens/storage")->mode == 0640);
  CHECK(SimFileCount(*scene.world, "/run/tokens") == 1);
  CHECK_FALSE(scene.Logged("sim."));
}

TEST_CASE("run: refreshed at half of the lifetime, up to 5 % early, for a year") {
  Scene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(365 * kDay));
  CHECK(scene.Requests() >= 730);
  CHECK(scene.Requests() <= 770);
  for (int number = scene.Requests() - 60; number < scene.Requests(); ++number) {
    const double gap = scene.RequestedAt(number + 1) - scene.RequestedAt(number);
    CHECK(gap >= 0.95 * 43200 - 1);
    CHECK(gap <= 43200 + 1);
  }
  CHECK(scene.TokenNumber() == scene.Requests());
}

TEST_CASE("run: refresh_at moves the refresh") {
  Scene scene;
  scene.ConfigureOne("refresh_at = 90%\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(73000));
  CHECK(scene.Requests() == 1);
  scene.RunFor(Seconds(5000));
  CHECK(scene.Requests() == 2);
}

TEST_CASE("run: tokens that live seconds are not asked for more than once a minute") {
  Scene scene;
  scene.imds->lifetime = Seconds(20);
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(3600));
  CHECK(scene.Requests() >= 58);
  CHECK(scene.Requests() <= 61);
}

TEST_CASE("run: the same token again is a success and leaves the file alone") {
  Scene scene;
  scene.imds->keeps_token = Seconds(kDay);
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(44000));
  CHECK(scene.Requests() == 2);
  CHECK(SimVerbCount(*scene.world, Verb::kFileRename) == 1);
  CHECK(scene.Logged("result=same"));
  CHECK_FALSE(scene.Logged("failed"));
}

TEST_CASE("run: several tokens and files, one request a token, one connection for all") {
  Scene scene;
  scene.Configure(
      "[token a]\nresource = https://storage.azure.com/\n"
      "[token b]\nresource = https://vault.azure.net\n"
      "[file /run/tokens/a]\ntoken = a\n[file /run/tokens/a.json]\ntoken = a\nformat = json\n"
      "[file /run/tokens/b]\ntoken = b\n[file /run/tokens/b.env]\ntoken = b\nformat = env\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  CHECK(scene.Requests() == 2);
  CHECK(scene.server->connection_count == 1);
  CHECK(scene.TokenNumber("/run/tokens/a") == 1);
  CHECK(scene.TokenNumber("/run/tokens/a.json") == 1);
  CHECK(scene.TokenNumber("/run/tokens/b") == 2);
  CHECK(scene.TokenNumber("/run/tokens/b.env") == 2);
}

TEST_CASE("run: the retry table, for ever") {
  Scene scene;
  scene.ConfigureOne();
  scene.Fails(503, 9);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(3 + 9 + 21 + 45 + 5 * 72 + 1));
  const double waits[] = {2, 6, 14, 30, 60, 60, 60, 60};
  const double longest[] = {3, 9, 21, 45, 72, 72, 72, 72};
  for (int index = 0; index < 8; ++index) {
    const double gap = scene.RequestedAt(index + 2) - scene.RequestedAt(index + 1);
    CHECK(gap >= waits[index]);
    CHECK(gap <= longest[index] + 0.1);
  }
  CHECK(scene.TokenNumber() == 1);
  CHECK(scene.Logged("event=recovered token=storage failures=9"));
}

TEST_CASE("run: Retry-After is obeyed, at most for 300 s") {
  for (const char* header : {"Retry-After: 20\r\n", "Retry-After: 90000\r\n"}) {
    Scene scene;
    scene.ConfigureOne();
    scene.Fails(429, 1, header);
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(500));
    const double gap = scene.RequestedAt(2) - scene.RequestedAt(1);
    const double wanted =
        std::string_view(header).find("90000") == std::string_view::npos ? 20 : 300;
    CHECK(gap >= wanted);
    CHECK(gap <= (wanted == 20 ? 40 : 360) + 0.1);
  }
}

TEST_CASE("run: a refusal is told once and asked about every five minutes") {
  Scene scene;
  scene.ConfigureOne();
  scene.Fails(400, 20, "",
              R"({"error":"invalid_request","error_description":"Identity not found"})");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(3600));
  CHECK(scene.Requests() >= 10);
  CHECK(scene.Requests() <= 13);
  CHECK(scene.Logged("Identity not found"));
  CHECK(scene.Logged("is that identity assigned to this machine"));
  const std::string log(scene.world->log.text());
  CHECK(log.find("refresh_failed") == log.rfind("refresh_failed"));
  CHECK_FALSE(scene.agent->is_finished);
}

TEST_CASE("run: IMDS missing at boot for ten minutes") {
  Scene scene;
  scene.server->greeting = SimGreeting::kRefuse;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(600));
  CHECK(scene.File() == "-");
  scene.server->greeting = SimGreeting::kAccept;
  scene.RunFor(Seconds(75));
  CHECK(scene.TokenNumber() == 1);
}

TEST_CASE("run: stale is told, and at expiry each policy is applied, not a moment sooner") {
  struct Row {
    const char* lines;
    const char* after;
  };
  for (const Row& row :
       {Row{"", "-"}, Row{"on_expiry = empty\n", ""}, Row{"on_expiry = keep\n", "token"}}) {
    Scene scene;
    scene.imds->lifetime = Seconds(3600);
    scene.imds->closes = true;
    scene.ConfigureOne("", row.lines);
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(1));
    scene.server->greeting = SimGreeting::kRefuse;
    scene.RunFor(Seconds(3298));
    CHECK_FALSE(scene.Logged("event=stale"));
    scene.RunFor(Seconds(300));
    CHECK(scene.Logged("event=stale"));
    CHECK(scene.TokenNumber() == 1);
    scene.RunFor(Seconds(2));
    const std::string after = scene.File();
    if (std::string_view(row.after) == "token")
      CHECK(scene.TokenNumber() == 1);
    else
      CHECK(after == row.after);
    scene.server->greeting = SimGreeting::kAccept;
    scene.RunFor(Seconds(75));
    CHECK(scene.TokenNumber() == 2);
  }
}

TEST_CASE("run: boot in 1970, the right time an hour later, and steps of 50 years") {
  Scene scene;
  SimWallSet(*scene.world, WallTime{100});
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(3600));
  CHECK(scene.TokenNumber() == 1);
  SimWallSet(*scene.world, SimTrueTime(*scene.world));
  scene.RunFor(Seconds(3600));
  SimWallStep(*scene.world, Seconds(50LL * 365 * kDay));
  scene.RunFor(Seconds(3600));
  SimWallStep(*scene.world, Seconds(-100LL * 365 * kDay));
  scene.RunFor(Seconds(3600));
  CHECK(scene.Requests() == 1);
  CHECK(scene.TokenNumber() == 1);
  scene.RunFor(Seconds(30000));
  CHECK(scene.Requests() == 2);
  CHECK(scene.TokenNumber() == 2);
}

TEST_CASE(
    "run: a token gotten while the wall clock is wrong ends when it ends, not by that clock") {
  for (const int64_t wrong_years : {-50, 50}) {
    Scene scene;
    SimWallStep(*scene.world, Seconds(wrong_years * 365 * kDay));
    scene.imds->lifetime = Seconds(7200);
    scene.ConfigureOne();
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(10));
    CHECK(scene.TokenNumber() == 1);
    scene.Fails(500, 9999);
    scene.RunFor(Seconds(7180));
    CHECK(scene.TokenNumber() == 1);
    scene.RunFor(Seconds(20));
    CHECK(scene.File() == "-");
  }
}

TEST_CASE("run: an answer that seems older and lives longer lets the token in force not expire") {
  Scene scene;
  scene.ConfigureOne();
  SimServer& server = scene.world->servers[0];
  server.on_request = [](void* context, SimExchange& exchange) {
    SimImds& imds = *static_cast<SimImds*>(context);
    imds.lifetime = imds.request_count++ == 0 ? Seconds(3600) : Seconds(kDay);
    SimToken token = SimImdsAnswerOf(SimImdsIssue(imds, exchange), exchange);
    if (imds.request_count == 2) token.not_before_unix_s -= 2 * kDay;  // a clock that was put back
    SimTokenSend(exchange, token, SimAnswer{});
  };
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(3700));
  CHECK(scene.TokenNumber() == 3);
  CHECK_FALSE(scene.Logged("event=expired"));
}

TEST_CASE(
    "run: in 1970 and 2096, after a restart, an older token doesn't replace the newer one on "
    "file") {
  Scene scene;
  scene.ConfigureOne();
  SimServer& server = scene.world->servers[0];
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  scene.Signal(Signal::kRefresh);
  scene.RunFor(Seconds(10));
  REQUIRE(scene.TokenNumber() == 2);
  server.on_request = [](void* context, SimExchange& exchange) {
    const SimIssued* const first = SimImdsIssueFind(*static_cast<SimImds*>(context), 1);
    SimTokenSend(exchange, SimImdsAnswerOf(*first, exchange), SimAnswer{});
  };
  for (const int64_t wall_s : {0LL, 4'000'000'000LL}) {
    SimWallSet(*scene.world, {wall_s});
    scene.KillAndStart();
    scene.RunFor(Seconds(1));
    CHECK(scene.TokenNumber() == 2);
    CHECK(scene.agent->files[0].expires_at == scene.agent->tokens[0].expires_at + Seconds(1));
  }
  CHECK_FALSE(scene.Logged("expired"));
  // Nor where there is no descriptor to read what stands there.
  scene.KillAndStart();
  SimFail(*scene.world, Verb::kFileOpenAt, EMFILE, 0, 1);
  scene.RunFor(Seconds(10));
  CHECK(scene.Logged("event=publish_failed"));
  CHECK(scene.TokenNumber() == 2);
}

TEST_CASE("an expires_on that is later than the rest of the answer allows keeps no file too long") {
  Scene scene;
  scene.ConfigureOne();
  SimServer& server = scene.world->servers[0];
  server.on_request = [](void* context, SimExchange& exchange) {
    SimImds& imds = *static_cast<SimImds*>(context);
    imds.lifetime = Seconds(3600);
    SimToken token = SimImdsAnswerOf(SimImdsIssue(imds, exchange), exchange);
    token.expires_on_unix_s += 20 * 3600;  // a time of another zone, say
    SimTokenSend(exchange, token, SimAnswer{});
  };
  CHECK(scene.Once() == 0);
  SimPass(*scene.world, Seconds(3000));
  server.on_request = SimImdsAnswer;
  CHECK(scene.Once() == 0);  // half of its life is over
  CHECK(scene.TokenNumber() == 2);
  SimPass(*scene.world, Seconds(3601));
  scene.imds->lifetime = Seconds(1800);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(2));
  CHECK(scene.TokenNumber() == 3);
}

TEST_CASE("run: an older token of an endpoint with several caches doesn't replace a newer one") {
  Scene scene;
  const int64_t now_s = SimTrueTime(*scene.world).unix_s;
  const auto answer = [now_s](const char* token, int64_t not_before_ahead_s) {
    const std::string begin = std::to_string(now_s + not_before_ahead_s);
    const std::string end = std::to_string(now_s + not_before_ahead_s + 86400);
    const std::string body = std::string("{\"access_token\":\"") + token + "\",\"not_before\":\"" +
                             begin + "\",\"expires_on\":\"" + end + "\"}";
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  };
  const std::string newer = answer("newer", -100);
  const std::string older = answer("older", -200);
  const std::string newest = answer("newest", -50);
  for (const std::string* bytes : {&newer, &older, &newest}) {
    SimStepAdd(*scene.imds, {SimStepKind::kBytes, 1, 0, {}, *bytes});
  }
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(60));
  CHECK(scene.File() == "newer");
  scene.RunFor(Seconds(43200));
  CHECK(scene.Requests() == 2);
  CHECK(scene.File() == "newer");
  CHECK(scene.Logged("result=older"));
  scene.RunFor(Seconds(22000));
  CHECK(scene.Requests() == 3);
  CHECK(scene.File() == "newest");
}

TEST_CASE("run: suspend counts: a token that expired in the sleep is replaced at the waking") {
  Scene scene;
  scene.imds->lifetime = Seconds(7200);
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(60));
  SimSuspendAt(*scene.world, scene.world->now + Seconds(1), Seconds(30 * kDay));
  scene.RunFor(Seconds(30 * kDay + 20));
  CHECK(scene.TokenNumber() == scene.Requests());
  CHECK(scene.Requests() >= 2);
}

TEST_CASE("run: a server that dribbles, or is silent, has ten seconds and no more") {
  Scene scene;
  scene.ConfigureOne();
  scene.imds->piece_size = 1;
  scene.imds->piece_gap = Milliseconds(500);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(9));
  CHECK_FALSE(scene.Logged("no answer in time"));
  scene.RunFor(Seconds(2));
  CHECK(scene.Logged("no answer in time"));
  scene.imds->piece_size = 0;
  scene.RunFor(Seconds(10));
  CHECK(scene.TokenNumber() >= 1);
}

TEST_CASE("run: however the answer is cut and framed, the same token is published") {
  for (const uint32_t piece : {1U, 7U, 100U, 1000U}) {
    for (const uint32_t chunk : {0U, 1U, 64U, 5000U}) {
      Scene scene;
      scene.ConfigureOne();
      scene.imds->piece_size = piece;
      scene.imds->chunk_size = chunk;
      scene.imds->closes = piece == 7;
      scene.Start(CommandId::kRun);
      scene.RunFor(Seconds(5));
      CHECK(scene.TokenNumber() == 1);
      CHECK(scene.File().size() == 1500);
    }
  }
}

TEST_CASE("run: a kept connection that the server closed is opened again without a failure") {
  Scene scene;
  scene.imds->closes = true;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10 * kDay));
  CHECK(scene.server->connection_count == static_cast<uint32_t>(scene.Requests()));
  CHECK_FALSE(scene.Logged("refresh_failed"));
}

TEST_CASE("run: what is no token never replaces one") {
  Scene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  const char* bodies[] = {
      "",
      "{}",
      "[]",
      "{\"access_token\":\"\"}",
      "{\"access_token\":\"a b\",\"expires_in\":\"60\"}",
      "{\"access_token\":\"abc\"}",
      "{\"access_token\":\"abc\",\"expires_in\":\"0\"}",
      "{\"access_token\":\"abc\",\"access_token\":\"abd\",\"expires_in\":\"600\"}",
      "{\"access_token\":\"abc\",\"expires_on\":\"1\"}",
      "{\"access_token\":\"abc\",\"expires_in\":\"99999999999999999999\"}",
      "{\"access_token\":\"abc\",\"expires_in\":\"600\"} x",
      "{\"access_token\":\"abc\",\"expires_in\":\"600\",}",
  };
  for (const char* body : bodies) {
    scene.Fails(200, 1, "", body);
    SimSignalAt(*scene.world, scene.world->now, Signal::kRefresh);
    scene.RunFor(Seconds(2));
    CHECK_MESSAGE(scene.TokenNumber() == 1, body);
  }
  CHECK(scene.Requests() == 1 + static_cast<int>(std::size(bodies)));
  CHECK_FALSE(scene.Logged("abc"));
}

TEST_CASE("SIGUSR1: every token is asked for past the cache, and the new one published") {
  Scene scene;
  scene.imds->keeps_token = Seconds(kDay);
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.Signal(Signal::kRefresh);
  scene.RunFor(Seconds(2));
  CHECK(scene.Requests() == 2);
  CHECK(scene.imds->bypass_count == 1);
  CHECK(scene.TokenNumber() == 2);
  scene.RunFor(Seconds(45000));
  CHECK(scene.imds->bypass_count == 1);
}

TEST_CASE("SIGUSR1: a storm of signals is no storm of requests") {
  Scene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  for (int round = 0; round < 200; ++round) {
    scene.Signal(Signal::kRefresh);
    scene.RunFor(Milliseconds(50));
  }
  CHECK(scene.Requests() <= 12);
  CHECK(scene.Requests() >= 5);
}

TEST_CASE("SIGUSR1: a second passes since the last request, also where it had to go out twice") {
  Scene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(2));
  SimStepAdd(*scene.imds, {SimStepKind::kReset, 1, 0, {}, {}});
  scene.imds->delay = Milliseconds(800);
  scene.Signal(Signal::kRefresh);
  scene.RunFor(Milliseconds(400));
  scene.imds->delay = Duration{0};
  scene.RunFor(Milliseconds(500));  // the kept connection broke, and a new one has been answered
  REQUIRE(scene.Requests() == 3);
  REQUIRE(scene.TokenNumber() == 2);
  scene.Signal(Signal::kRefresh);
  scene.RunFor(Seconds(3));
  REQUIRE(scene.Requests() == 4);
  CHECK(scene.RequestedAt(4) - scene.RequestedAt(3) >= 1.0);
}

TEST_CASE("SIGUSR1: while a request is under way that is refused, it is asked once more at once") {
  Scene scene;
  scene.ConfigureOne();
  scene.imds->delay = Seconds(3);
  scene.Fails(400, 1);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  scene.Signal(Signal::kRefresh);
  scene.RunFor(Seconds(10));
  CHECK(scene.Requests() == 2);
  CHECK(scene.imds->bypass_count == 1);
  CHECK(scene.TokenNumber() == 1);
}

TEST_CASE("SIGHUP: a storm of signals while requests fail is no storm of requests") {
  Scene scene;
  scene.ConfigureOne();
  scene.Fails(500, 1000);
  scene.Start(CommandId::kRun);
  for (int round = 0; round < 200; ++round) {
    scene.Signal(Signal::kReload);
    scene.RunFor(Milliseconds(50));
  }
  CHECK(scene.Requests() <= 12);
  CHECK(scene.Requests() >= 5);
}

TEST_CASE("run: slots are zero and handles closed when it is over") {
  Scene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(3 * kDay));
  scene.Signal(Signal::kStop);
  scene.RunFor(Seconds(1));
  REQUIRE(scene.agent->is_finished);
  CHECK(scene.agent->exit_code == 0);
  AgentEnd(*scene.agent, *scene.world);
  CHECK(scene.world->open_handle_count == 0);
  for (const auto& slot : scene.agent->ring.slots) {
    CHECK(std::string_view(slot, kSlotSize).find("sim.") == std::string_view::npos);
  }
  CHECK(scene.TokenNumber() > 1);
}

}  // namespace
}  // namespace miagent
