//! What the server's process occupies and spends, and what the kernel keeps for its sockets.

use std::{fs, time::Instant};

use serde_json::{Map, Value, json};

/// Processor time and memory of one process at one moment.
#[derive(Clone, Copy)]
pub struct Usage {
    /// User and system time since its start, in microseconds; the kernel counts it by hundredths of a second.
    pub cpu_us: f64,
    pub rss_kb: f64,
    /// Pages that it alone has, and its part of those that it shares.
    pub pss_kb: f64,
}

impl Usage {
    /// Of the process `pid`; all zero where there is none.
    pub fn of(pid: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name before may contain spaces. utime and stime are fields 14 and 15 of proc(5).
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: f64 = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        Self {
            cpu_us: ticks * TICK_US,
            rss_kb: field(&format!("/proc/{pid}/status"), "VmRSS:"),
            pss_kb: field(&format!("/proc/{pid}/smaps_rollup"), "Pss:"),
        }
    }
}

/// What the kernel keeps for all sockets of this machine, both ends of every connection, in KiB: the
/// objects (slabs) and the bytes that wait in them.
pub fn kernel_kb() -> f64 {
    let sockets = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let pages: f64 = sockets
        .lines()
        .filter_map(|line| line.split(" mem ").nth(1)?.split_whitespace().next()?.parse::<f64>().ok())
        .sum();
    pages * 4.0 + field("/proc/meminfo", "Slab:")
}

/// Files that the process has open, sockets among them.
pub fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

fn field(path: &str, name: &str) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Measures from its making until [`Meter::finish`].
pub struct Meter {
    pid: u32,
    usage: Usage,
    start: Instant,
}

impl Meter {
    pub fn start(pid: u32) -> Self {
        Self { pid, usage: Usage::of(pid), start: Instant::now() }
    }

    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Prints a line for `operations` of this name on a server of this `size`; `latencies` in microseconds.
    pub fn finish(self, name: &str, size: usize, operations: usize, mut latencies: Vec<u32>) {
        let seconds = self.start.elapsed().as_secs_f64();
        let spent = Usage::of(self.pid).cpu_us - self.usage.cpu_us;
        latencies.sort_unstable();
        let at = |share: f64| {
            let place = (latencies.len().saturating_sub(1)) as f64 * share;
            latencies.get(place as usize).map(|us| f64::from(*us) / 1e3)
        };
        print(json!({
            "operation": name, "size": size, "operations": operations, "seconds": round(seconds),
            "server_us": round(spent / operations.max(1) as f64),
            "p50_ms": at(0.5), "p99_ms": at(0.99), "most_ms": at(1.0),
        }));
    }
}

/// Prints one line; what is null is left out.
pub fn print(line: Value) {
    let line: Map<String, Value> = match line {
        Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    };
    println!("{}", Value::Object(line));
}

pub fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// A tick of the clock in which proc(5) counts, on every Linux of today.
const TICK_US: f64 = 10_000.0;
