//! What a process and all its descendants spent so far, from /proc (Linux).

use std::{
    collections::{HashMap, HashSet},
    fs,
};

/// CPU time and memory of a process tree.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Seconds in user mode, with those of children that ended.
    pub user_s: f64,
    /// Seconds in the kernel, with those of children that ended.
    pub system_s: f64,
    pub rss_kb: u64,
    /// Proportional set size: shared memory counted once, the honest figure for servers that fork.
    pub pss_kb: u64,
}

/// A line of the process table: the parent, and ticks in user mode and in the kernel.
struct Process {
    parent: u32,
    user: u64,
    system: u64,
}

impl Usage {
    /// Of `pid` and its living descendants; nothing where there is no such process.
    pub fn of_tree(pid: u32) -> Self {
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let table = process_table();
        let mut usage = Self::default();
        for member in descendants(&table, pid) {
            if let Some(process) = table.get(&member) {
                usage.user_s += process.user as f64 / ticks;
                usage.system_s += process.system as f64 / ticks;
            }
            usage.rss_kb += field_kb(&format!("/proc/{member}/status"), "VmRSS:");
            usage.pss_kb += field_kb(&format!("/proc/{member}/smaps_rollup"), "Pss:");
        }
        usage
    }

    pub fn cpu_s(&self) -> f64 {
        self.user_s + self.system_s
    }
}

fn process_table() -> HashMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| Some((pid, read_stat(pid)?))).collect()
}

/// proc(5): the fields after the name, which is in brackets and may hold anything.
fn read_stat(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
    Some(Process {
        parent: number(1)? as u32,
        user: number(11)? + number(13)?,
        system: number(12)? + number(14)?,
    })
}

fn descendants(table: &HashMap<u32, Process>, root: u32) -> HashSet<u32> {
    let mut tree = HashSet::from([root]);
    loop {
        let before = tree.len();
        let children = table.iter().filter(|(_, process)| tree.contains(&process.parent));
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        tree.extend(children);
        if tree.len() == before {
            return tree;
        }
    }
}

fn field_kb(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}
