//! From the start to the end of what is measured, and the line of JSON that tells of it.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};

use super::{Arguments, Usage};

/// Measures from its making until [`Meter::finish`].
pub struct Meter {
    pid: u32,
    start: Instant,
    server: Usage,
    own_s: f64,
}

/// A line of JSON in the making.
pub struct Report(Map<String, Value>);

impl Meter {
    /// Starts with what the process tree of `--server-pid` has spent so far.
    pub fn start(args: &Arguments) -> anyhow::Result<Self> {
        let pid = args.number("server-pid", 0)?;
        let server = Usage::of_tree(pid);
        Ok(Self { pid, server, own_s: own_cpu_s(), start: Instant::now() })
    }

    /// Ends it: `operations` were done, and took `latencies` in microseconds each (may be empty).
    pub fn finish(self, args: &Arguments, operations: u64, latencies: &mut [u32]) -> Report {
        let seconds = self.start.elapsed().as_secs_f64();
        let own_s = own_cpu_s() - self.own_s;
        let after = Usage::of_tree(self.pid);
        for option in args.unknown() {
            eprintln!("load: {} knows no option --{option}", args.scenario);
        }
        let per_operation = 1e6 / operations.max(1) as f64;
        let mut report = Report(Map::new());
        report.text("scenario", &args.scenario);
        report.number("ops", operations as f64).number("seconds", seconds);
        report.number("ops_per_s", operations as f64 / seconds);
        report.number("generator_us_per_op", own_s * per_operation);
        report.latencies(latencies);
        if self.pid > 0 {
            let cpu_s = after.cpu_s() - self.server.cpu_s();
            report.number("server_cpu_s", cpu_s).number("server_us_per_op", cpu_s * per_operation);
            report.number("server_system_s", after.system_s - self.server.system_s);
            report.number("rss_before_kb", self.server.rss_kb as f64);
            report.number("rss_after_kb", after.rss_kb as f64);
            report.number("pss_before_kb", self.server.pss_kb as f64);
            report.number("pss_after_kb", after.pss_kb as f64);
        }
        report
    }
}

impl Report {
    pub fn number(&mut self, key: &str, value: f64) -> &mut Self {
        self.0.insert(key.to_owned(), json!((value * 1000.0).round() / 1000.0));
        self
    }

    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.0.insert(key.to_owned(), json!(value));
        self
    }

    pub fn flag(&mut self, key: &str, value: bool) -> &mut Self {
        self.0.insert(key.to_owned(), json!(value));
        self
    }

    pub fn print(&self) {
        println!("{}", Value::Object(self.0.clone()));
    }

    fn latencies(&mut self, latencies: &mut [u32]) {
        latencies.sort_unstable();
        for (key, share) in [("p50_ms", 0.50), ("p99_ms", 0.99)] {
            let at = (latencies.len().saturating_sub(1) as f64 * share) as usize;
            if let Some(latency) = latencies.get(at) {
                self.number(key, f64::from(*latency) / 1e3);
            }
        }
    }
}

/// Kilobytes that each of `sessions` cost, between two looks at the server.
pub fn per_session(report: &mut Report, before: &Usage, after: &Usage, sessions: usize) {
    let each = |before: u64, after: u64| (after as f64 - before as f64) / sessions.max(1) as f64;
    report.number("rss_kb_per_session", each(before.rss_kb, after.rss_kb));
    report.number("pss_kb_per_session", each(before.pss_kb, after.pss_kb));
}

fn own_cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
