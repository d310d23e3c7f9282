//! Ten million grants, second by second: how the refreshes spread, and what comes of an outage of the provider.

/// How many grants, each of which is refreshed when it is due.
const GRANTS: usize = 10_000_000;
/// How long an access token lives, in seconds, and how long ahead of its expiry it is due (`refresh_ahead`).
const LIFETIME: u32 = 3600;
const AHEAD: u32 = 300;
/// The longest that they are refreshed ahead: a quarter of the lifetime.
const MOST_AHEAD: u32 = LIFETIME / 4;
const HOURS: u32 = 24;

/// The head of a table of outages.
const OUTAGES: &str = "| away | `most_requests` | busiest second afterwards | until all are live again | expired before that, at most at one time | busiest second an hour later | 6 hours later |\n\
                       | --- | --- | --- | --- | --- | --- | --- |";

/// Prints a table for each question.
pub(crate) fn run() {
    println!(
        "All grants obtained within one minute, as after a migration; the busiest second of each hour, in refreshes:\n"
    );
    println!("| jitter | mean | hour 1 | hour 2 | hour 6 | hour 12 | hour 24 |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for jitter in [0, AHEAD / 2, AHEAD, 4 * AHEAD] {
        let peaks = spread(jitter, 60);
        let mean = GRANTS as f64 / f64::from(LIFETIME - AHEAD - jitter / 2);
        let at = |hour: usize| peaks.get(hour).copied().unwrap_or(0);
        println!("| {jitter} s | {mean:.0} | {} | {} | {} | {} | {} |", at(1), at(2), at(6), at(12), at(23));
    }
    println!(
        "\nGrants that are spread evenly, and a provider that is away; 20 processes, replies that take 0.2 s:\n"
    );
    println!("{OUTAGES}");
    for away in [60, 600, 1800, 3600] {
        for requests in [32, 64, 256] {
            outage(AHEAD, away, requests);
        }
    }
    println!("\nRefreshed as long ahead as can be set, {MOST_AHEAD} s, and up to half of that earlier:\n");
    println!("{OUTAGES}");
    for away in [600, 1800] {
        for requests in [64, 128, 256] {
            outage(MOST_AHEAD, away, requests);
        }
    }
}

/// The busiest second of each hour, where all grants were obtained within so many seconds.
fn spread(jitter: u32, within: u32) -> Vec<u32> {
    let mut random = Random(1);
    let mut seconds = vec![0_u32; (HOURS * 3600) as usize];
    for _ in 0..GRANTS {
        let mut at = random.below(within);
        loop {
            at += LIFETIME - AHEAD - random.below(jitter + 1);
            match seconds.get_mut(at as usize) {
                Some(second) => *second += 1,
                None => break,
            }
        }
    }
    seconds.chunks(3600).map(|hour| hour.iter().copied().max().unwrap_or(0)).collect()
}

/// A provider is away from the second hour on. What is due waits (`SourcePause`), and afterwards each process has at most so many
/// requests under way (`most_requests`).
fn outage(ahead: u32, away: u32, most_requests: u32) {
    const PROCESSES: u32 = 20;
    const REPLIES_IN_A_SECOND: u32 = 5;
    let jitter = ahead / 2;
    let limit = PROCESSES * most_requests * REPLIES_IN_A_SECOND;
    let end = (HOURS * 3600) as usize;
    let mut random = Random(2);
    // How many are due in each second, and, of those that wait, when each of them was due.
    let mut due = vec![0_u32; end + 1];
    for _ in 0..GRANTS {
        due[random.below(LIFETIME - ahead - jitter / 2) as usize] += 1;
    }
    let (begins, ends) = (3600 * 2, (3600 * 2 + away) as usize);
    let mut waiting = std::collections::VecDeque::new();
    let (mut busiest, mut most_expired, mut live_again) = (0, 0, None);
    let mut later = [0_u32; 2];
    for second in 0..end {
        if due[second] > 0 {
            waiting.push_back((second, due[second]));
        }
        let mut room = match second {
            second if (begins..ends).contains(&second) => 0,
            _ => limit,
        };
        let mut done = 0;
        while room > 0
            && let Some((_, grants)) = waiting.front_mut()
        {
            let now = room.min(*grants);
            (room, done, *grants) = (room - now, done + now, *grants - now);
            if *grants == 0 {
                waiting.pop_front();
            }
        }
        for _ in 0..done {
            let next = second + (LIFETIME - ahead - random.below(jitter + 1)) as usize;
            if next < end {
                due[next] += 1;
            }
        }
        // Due so long ago that they expire, by the least that a token is refreshed ahead.
        let expired: u32 = waiting
            .iter()
            .take_while(|(due_at, _)| second - due_at > ahead as usize)
            .map(|(_, grants)| grants)
            .sum();
        most_expired = most_expired.max(expired);
        if second >= ends && live_again.is_none() {
            busiest = busiest.max(done);
            if waiting.is_empty() {
                live_again = Some(second - ends);
            }
        }
        let since = second.saturating_sub(ends);
        for (hours, peak) in [1, 6].into_iter().zip(&mut later) {
            if second > ends && since / 3600 == hours {
                *peak = (*peak).max(done);
            }
        }
    }
    let live_again = live_again.map_or_else(|| "never".to_owned(), |seconds| format!("{seconds} s"));
    println!(
        "| {away} s | {most_requests} | {busiest} | {live_again} | {:.1} million | {} | {} |",
        f64::from(most_expired) / 1e6,
        later[0],
        later[1]
    );
}

/// Marsaglia's xorshift64: the same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(((self.0 >> 32) * u64::from(limit.max(1))) >> 32).unwrap_or(0)
    }
}
