//! Contenders side by side: A B C A B C …, so that whatever else the machine does hits all of them alike.

use std::time::Instant;

/// Something that does a piece of work a number of times.
pub struct Contender<'a> {
    pub name: String,
    /// Does the work this many times.
    pub run: Box<dyn FnMut(usize) + 'a>,
    /// Does it in a process of its own, which tells what it took.
    pub elsewhere: Option<Box<dyn FnMut(usize) -> anyhow::Result<Sample> + 'a>>,
}

impl<'a> Contender<'a> {
    pub fn new(name: impl Into<String>, run: impl FnMut(usize) + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run), elsewhere: None }
    }

    pub fn elsewhere(name: impl Into<String>, run: impl FnMut(usize) -> anyhow::Result<Sample> + 'a) -> Self {
        Self { name: name.into(), run: Box::new(|_| {}), elsewhere: Some(Box::new(run)) }
    }
}

/// What one piece of work took, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    pub wall: f64,
    /// Of this process, in user and kernel mode.
    pub cpu: f64,
}

/// All samples of one contender.
pub struct Measured {
    pub name: String,
    pub samples: Vec<Sample>,
    /// What else is known of it: connections, handshakes, requests.
    pub facts: Vec<(String, String)>,
    /// The samples of the contender stand for nothing, because it could not run.
    pub failed: Option<String>,
}

/// Which of the two times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasuredTime {
    Wall,
    Cpu,
}

/// How many times each contender runs, and how much it does each time.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub rounds: usize,
    pub iterations: usize,
}

/// Runs all contenders in turn. `watch` is asked before and after each run for counters, whose growth becomes facts.
pub fn interleave(
    contenders: Vec<Contender<'_>>,
    plan: Plan,
    watch: &mut dyn FnMut() -> Vec<(String, u64)>,
) -> Vec<Measured> {
    let mut contenders = contenders;
    let mut measured: Vec<_> = contenders
        .iter()
        .map(|contender| Measured {
            name: contender.name.clone(),
            samples: Vec::new(),
            facts: Vec::new(),
            failed: None,
        })
        .collect();
    let mut grown: Vec<Vec<(String, u64)>> = vec![Vec::new(); contenders.len()];
    for round in 0..=plan.rounds {
        for at in 0..contenders.len() {
            // Nobody is always the first after a pause.
            let at = (at + round) % contenders.len();
            let contender = &mut contenders[at];
            if measured[at].failed.is_some() {
                continue;
            }
            let before = watch();
            // The first round warms connections, caches and the branch predictor, and does not count.
            let iterations = if round == 0 { (plan.iterations / 4).max(1) } else { plan.iterations };
            let sample = match &mut contender.elsewhere {
                Some(run) => match run(iterations) {
                    Ok(sample) => sample,
                    Err(error) => {
                        eprintln!("  {}: {error:#}", contender.name);
                        measured[at].failed = Some(format!("{error:#}"));
                        continue;
                    }
                },
                None => {
                    let (cpu, wall) = (cpu_time(), Instant::now());
                    (contender.run)(iterations);
                    let count = iterations as f64;
                    let wall = wall.elapsed().as_nanos() as f64;
                    Sample { wall: wall / count, cpu: (cpu_time() - cpu) / count }
                }
            };
            for (name, count) in watch() {
                let old = before.iter().find(|(other, _)| *other == name).map_or(0, |(_, count)| *count);
                match grown[at].iter_mut().find(|(other, _)| *other == name) {
                    Some((_, sum)) => *sum += count - old,
                    None => grown[at].push((name, count - old)),
                }
            }
            if round > 0 {
                measured[at].samples.push(sample);
            }
        }
    }
    for (measured, grown) in measured.iter_mut().zip(grown) {
        measured.facts = grown.into_iter().map(|(name, count)| (name, count.to_string())).collect();
    }
    measured
}

/// A median with the quartiles around it.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

impl Spread {
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| match values.len() {
            0 => f64::NAN,
            count => {
                let place = share * (count - 1) as f64;
                let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
                below + (above - below) * place.fract()
            }
        };
        Self { median: at(0.5), low: at(0.25), high: at(0.75) }
    }
}

impl Measured {
    pub fn time(&self, clock: MeasuredTime) -> Spread {
        Spread::of(self.samples.iter().map(|sample| sample.of(clock)).collect())
    }

    /// Round by round, so that what slowed a whole round down cancels out.
    pub fn ratio(&self, to: &Self, clock: MeasuredTime) -> Spread {
        let pairs = self.samples.iter().zip(&to.samples);
        Spread::of(pairs.map(|(own, other)| own.of(clock) / other.of(clock)).collect())
    }
}

impl Sample {
    pub fn of(self, clock: MeasuredTime) -> f64 {
        match clock {
            MeasuredTime::Wall => self.wall,
            MeasuredTime::Cpu => self.cpu,
        }
    }
}

/// What this process has used so far, of all its threads, in nanoseconds.
pub fn cpu_time() -> f64 {
    usage(libc::RUSAGE_SELF)
}

/// What the processes have used that this one started and waited for, in nanoseconds.
pub fn cpu_time_of_children() -> f64 {
    usage(libc::RUSAGE_CHILDREN)
}

fn usage(who: libc::c_int) -> f64 {
    // SAFETY: the structure is plain numbers, and the call fills it in.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(who, &mut usage);
        usage
    };
    let nanoseconds = |time: libc::timeval| time.tv_sec as f64 * 1e9 + time.tv_usec as f64 * 1e3;
    nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime)
}

/// Where the server runs, and its clients while they exchange codes.
#[cfg(target_os = "linux")]
const PROCESSOR: usize = 0;

/// Measures on the processor of the server. Where the scheduler moves the two about, to wake the other one costs a client now nothing
/// and now as much again as all its work.
pub fn beside_server<T>(measure: impl FnOnce() -> T) -> T {
    pin();
    let measured = measure();
    unpin();
    measured
}

/// Keeps this thread, and those that it starts, on one processor: the one of the server.
#[cfg(target_os = "linux")]
pub fn pin() {
    // SAFETY: the set is plain bits, and the calls fill and read it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(PROCESSOR, &mut set);
        libc::sched_setaffinity(0, std::mem::size_of_val(&set), &set);
    }
}

/// Undoes [`pin`].
#[cfg(target_os = "linux")]
fn unpin() {
    // SAFETY: as above; processors that are not there are no harm.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        (0..64).for_each(|processor| libc::CPU_SET(processor, &mut set));
        libc::sched_setaffinity(0, std::mem::size_of_val(&set), &set);
    }
}

#[cfg(not(target_os = "linux"))]
pub fn pin() {}

#[cfg(not(target_os = "linux"))]
fn unpin() {}
