use super::{Settings, Sink};
use crate::sinks::{Sent, Sink as _};
use hopscope_core::engine::metrics::{Scope, visit_all};
use hopscope_core::engine::{self, Engine};
use hopscope_core::metrics::{BySeries, Local};
use std::time::Duration;

#[tokio::test]
async fn all_samples_of_a_cut_are_delivered() {
    let mut sink = Sink::new(&Settings::default());
    assert_eq!(sink.send(sink.encode(1)).await, Sent::default());
    let mut cut = sink.encode(1);
    let engine = Engine::new(engine::Settings::default());
    visit_all::<BySeries>(&Local(&engine), || 1, Scope::All, &mut cut).unwrap();
    let Sent { delivered, rejected, dropped } = sink.send(cut).await;
    assert!(delivered > 20, "{delivered}");
    assert_eq!((rejected, dropped), (0, 0));
}

#[test]
fn the_sink_is_disabled_by_default() {
    assert_eq!(Sink::interval(&Settings::default()), None);
    let settings = Settings { enabled: true, ..Settings::default() };
    assert_eq!(Sink::interval(&settings), Some(Duration::from_secs(15)));
}
