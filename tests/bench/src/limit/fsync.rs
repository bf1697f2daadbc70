//! What the disk takes: records appended to a file, `batch` of them for every fdatasync.

use std::{fs::File, io::Write as _};

use crate::measure::{Arguments, Meter, now_ns, since_us};

pub fn fsync(args: &Arguments) -> anyhow::Result<()> {
    let (operations, batch) = (args.number("ops", 2000u32)?, args.number("batch", 1u32)?.max(1));
    let record = vec![b'x'; args.number("size", 300)?];
    let path = args.text("file", "fsync-limit.tmp");
    let mut file = File::create(&path)?;
    let meter = Meter::start(args)?;
    let mut latencies = Vec::new();
    for number in 1..=operations {
        let start = now_ns();
        file.write_all(&record)?;
        if number % batch == 0 {
            file.sync_data()?;
            latencies.push(since_us(start));
        }
    }
    meter.finish(args, u64::from(operations), &mut latencies).number("batch", f64::from(batch)).print();
    std::fs::remove_file(&path)?;
    Ok(())
}
