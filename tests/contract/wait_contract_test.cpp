// What Wait and the signals promise.
#include "doctest/doctest.h"
#include "tests/contract/fixture.h"

using namespace miagent;

namespace {

constexpr size_t kEventsSize = 8;
constexpr Duration kShort = Milliseconds(20);
constexpr Duration kLong = Seconds(20);  // longer than any test may take

Instant After(Platform& platform, Duration duration) { return ClockBoot(platform) + duration; }

}  // namespace

TEST_CASE("the boot clock never goes back") {
  Fixture fixture;
  Instant last = ClockBoot(fixture.platform());
  for (int turn = 0; turn < 1000; ++turn) {
    const Instant now = ClockBoot(fixture.platform());
    REQUIRE(now >= last);
    last = now;
  }
}

TEST_CASE("the wall clock is in this century, and the boot clock is no wall clock") {
  Fixture fixture;
  CHECK(ClockWall(fixture.platform()).unix_s > 1'600'000'000);
  CHECK(ClockBoot(fixture.platform()).boot_ms < int64_t{1'600'000'000} * 1000);
}

TEST_CASE("Wait returns at its deadline, and never before") {
  Fixture fixture;
  Event events[kEventsSize];
  for (int turn = 0; turn < 20; ++turn) {
    const Instant deadline = After(fixture.platform(), Milliseconds(turn));
    CHECK(Wait(fixture.platform(), deadline, events, kEventsSize) == 0);
    CHECK(ClockBoot(fixture.platform()) >= deadline);
    CHECK(ClockBoot(fixture.platform()) < deadline + kLong);
  }
}

TEST_CASE("Wait returns at once for a deadline that has passed, as often as asked") {
  Fixture fixture;
  Event events[kEventsSize];
  const Instant start = ClockBoot(fixture.platform());
  for (const Instant passed : {start, Instant{0}, Instant{-1}, Instant{kTimeMin}, start}) {
    CHECK(Wait(fixture.platform(), passed, events, kEventsSize) == 0);
    CHECK(Wait(fixture.platform(), passed, events, kEventsSize) == 0);
  }
  CHECK(ClockBoot(fixture.platform()) < start + kLong);
}

TEST_CASE("a deadline that changes counts as it is now") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  Event events[kEventsSize];
  const Instant near = After(platform, kShort);
  CHECK(Wait(platform, near, events, kEventsSize) == 0);
  const Instant later = After(platform, Milliseconds(2 * kShort.ms));
  CHECK(Wait(platform, later, events, kEventsSize) == 0);
  CHECK(ClockBoot(platform) >= later);
  const Instant sooner = After(platform, Milliseconds(1));
  CHECK(Wait(platform, sooner, events, kEventsSize) == 0);
  CHECK(ClockBoot(platform) >= sooner);
  CHECK(ClockBoot(platform) < sooner + kLong);
}

TEST_CASE("watched signals arrive as events, each with its meaning") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  REQUIRE(SignalsWatch(platform, SignalSet::kAgent).ok());
  for (const Signal signal : {Signal::kReload, Signal::kRefresh, Signal::kReport, Signal::kStop}) {
    fixture.SignalSend(signal);
    Event events[kEventsSize];
    REQUIRE(Wait(platform, After(platform, kLong), events, kEventsSize) == 1);
    CHECK(events[0].kind == EventKind::kSignal);
    CHECK(events[0].signal == signal);
    CHECK(Wait(platform, After(platform, kShort), events, kEventsSize) == 0);
  }
}

TEST_CASE("signals that came together are all reported, be there room for one event only") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  REQUIRE(SignalsWatch(platform, SignalSet::kAgent).ok());
  fixture.SignalSend(Signal::kStop);
  fixture.SignalSend(Signal::kReload);
  bool stop_seen = false;
  bool reload_seen = false;
  const Instant deadline = After(platform, kLong);
  while (!(stop_seen && reload_seen) && ClockBoot(platform) < deadline) {
    Event event;
    if (Wait(platform, deadline, &event, 1) == 0) continue;
    stop_seen = stop_seen || event.signal == Signal::kStop;
    reload_seen = reload_seen || event.signal == Signal::kReload;
  }
  CHECK(stop_seen);
  CHECK(reload_seen);
}

TEST_CASE("a signal ends a wait that has no deadline") {
  Fixture fixture;
  REQUIRE(SignalsWatch(fixture.platform(), SignalSet::kAgent).ok());
  fixture.SignalSend(Signal::kRefresh);
  Event events[kEventsSize];
  REQUIRE(Wait(fixture.platform(), kInstantNever, events, kEventsSize) == 1);
  CHECK(events[0].signal == Signal::kRefresh);
}

TEST_CASE("watching signals twice, and waiting for no events, is misuse") {
  CHECK(Fixture::Traps([] {
    Fixture fixture;
    static_cast<void>(SignalsWatch(fixture.platform(), SignalSet::kAgent));
    static_cast<void>(SignalsWatch(fixture.platform(), SignalSet::kAgent));
  }));
  CHECK(Fixture::Traps([] {
    Fixture fixture;
    Wait(fixture.platform(), Instant{0}, nullptr, 0);
  }));
  CHECK_FALSE(Fixture::Traps([] { Fixture fixture; }));
}
