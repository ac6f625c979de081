//! Bodies of the fuzz targets, and of the test over their corpus.
//!
//! In: any bytes. Out: a panic where there is a defect. Invariant: the clock stands still, so that equal
//! bytes have equal results.

use hopscope::config::shown::{Comments, yaml};
use hopscope::config::{Config, Layers, Loaded};
use hopscope_core::intake::access_log::Stream;
use hopscope_core::intake::raw_batch::read;
use hopscope_core::intake::reject::Rejection;
use hopscope_core::intake::validate::{Limits, check, rows_fit};
use hopscope_proto::v1;
use prost::Message;
use prost::bytes::Bytes;

/// Just after the times in the corpus.
const NOW_US: u64 = 1_795_625_130_000_000;

/// Decodes and validates one batch.
pub(crate) fn batch(bytes: &[u8]) {
    let limits = Limits::default();
    let read = read(&Bytes::copy_from_slice(bytes), &limits, NOW_US);
    // The fast path, and prost with validation.
    let expected = rows_fit(bytes, &limits).and_then(|()| {
        let batch = v1::Batch::decode(bytes).map_err(|error| Rejection::Malformed(error.to_string()))?;
        check(batch, &limits, NOW_US)
    });
    assert_eq!(read, expected);
    let Ok(report) = read else { return };
    let rejected = report.rejected.total();
    assert!(report.content().0 + rejected.single <= report.totals.sent);
    assert!(report.content().1 + rejected.folded <= report.totals.folded);
    for record in &report.records {
        assert!(record.edge < report.edges.len() && record.outcome < report.outcomes.len());
    }
    for fold in &report.folds {
        assert!(fold.edge < report.edges.len() && fold.outcome < report.outcomes.len() && fold.count > 0);
    }
}

/// One stream of access logs.
pub(crate) fn access_log(mut bytes: &[u8]) {
    let mut stream = Stream::new(7, "envoy~127.0.0.1".into());
    let (mut seen, mut lost) = (0, 0);
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = (u32::from_be_bytes(*length) as usize).min(rest.len());
        let (message, rest) = rest.split_at(length);
        bytes = rest;
        let Ok(mut batches) = stream.read(message, NOW_US) else { return };
        while let Ok(Some(batch)) = batches.next_batch() {
            let records = batch.records.as_ref().map_or(0, |records| records.edge.len() as u64);
            let sequence = batch.sequence;
            let report =
                check(batch, &Limits::default(), NOW_US).expect("a batch of an access log is refused");
            seen += records;
            assert_eq!(report.totals.sent + lost, seen);
            // Every third batch is rejected.
            if sequence % 3 == 0 {
                batches.stream().lost(records);
                lost += records;
            }
        }
    }
}

/// One configuration file.
pub(crate) fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let load = |text: &str| {
        let file = Some(("hopscope.yaml".to_owned(), text.to_owned()));
        Layers { file, ..Layers::default() }.load::<Config>()
    };
    match load(text) {
        Ok(loaded) => {
            // The settings as YAML are read again as equal settings.
            let shown: Result<Loaded<Config>, _> = load(&yaml(&loaded, Comments::None));
            assert_eq!(shown.map(|shown| shown.config), Ok(loaded.config));
        }
        Err(problems) => {
            assert!(!problems.is_empty() && problems.iter().all(|problem| !problem.to_string().is_empty()));
        }
    }
}
