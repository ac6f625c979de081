//! A complete example: a stage with families in each of the three forms, and both traversals.

use super::{
    Buckets, ByFamily, BySeries, Cursor, Exemplar, Extra, Family, Group, Kind, Labels, Local, Metric, Number,
    SLICE, Samples, Slice, Traversal, Unit, Visitor, families, visit, visit_rows,
};

/// Cars by parking level.
struct Garage {
    levels: Vec<Level>,
    gates: [(&'static str, u64); 2],
}

struct Level {
    entered: u64,
    washed: Option<u64>,
    by_fuel: Vec<(&'static str, u64)>,
    created_us: u64,
}

/// Values without labels.
static STAGE: [Metric<Garage>; 1] =
    [Metric::gauge("example_levels", "Levels of the garage.", |garage| garage.levels.len().into())];

/// Values with a few label values.
static GATES: [Metric<u64>; 1] =
    [Metric::counter_of_rows("example_gate_openings_total", "Openings, by gate.", &["gate"])];

/// Values with one series per level.
static LEVELS: [Metric<Level>; 3] = [
    Metric::<Level>::counter("example_cars_total", "Cars that entered, by level.", |level| {
        Some(level.entered)
    })
    .labels(&["level"]),
    Metric::<Level>::counter("example_washed_cars_total", "Cars that were washed, by level.", |level| {
        level.washed
    })
    .labels(&["level"]),
    Metric::<Level>::counter_by_label("example_fuel_total", "Cars, by level and fuel.", |level| {
        level.by_fuel.clone()
    })
    .labels(&["level", "fuel"]),
];

struct Levels;

impl Group for Levels {
    type Stage<'a> = &'a Garage;
    type Series = Level;
    type Key = usize;

    fn metrics() -> &'static [Metric<Level>] {
        &LEVELS
    }

    fn created_us(level: &Level) -> u64 {
        level.created_us
    }

    fn slice<T>(
        garage: &Garage,
        from: Cursor,
        read: impl Fn(&Level, Option<Exemplar>) -> Option<T>,
    ) -> Slice<usize, T> {
        let (from, to) = (from.index(), from.index() + SLICE);
        let levels = garage.levels.iter().enumerate().skip(from).take(SLICE);
        let rows = levels.filter_map(|(number, level)| Some((number, read(level, None)?)));
        Slice::of(rows, (to < garage.levels.len()).then_some(to))
    }

    fn labels(key: &usize, with: impl FnOnce(Labels<'_>)) {
        with(&[("level", &key.to_string())]);
    }
}

fn garage(levels: u64) -> Garage {
    let level = |number: u64| Level {
        entered: number,
        washed: (number % 2 == 1).then_some(number),
        by_fuel: vec![("diesel", number), ("petrol", 1)],
        created_us: 7,
    };
    Garage { levels: (0..levels).map(level).collect(), gates: [("east", 1), ("west", 2)] }
}

/// Calls as text, until there are as many as it may receive.
struct Script {
    calls: Vec<String>,
    calls_max: usize,
}

impl Visitor for Script {
    fn is_stopped(&self) -> bool {
        self.calls.len() >= self.calls_max
    }

    fn family(&mut self, family: &'static Family) {
        self.calls.push(format!("# {}", family.name));
    }

    fn series(&mut self, labels: Labels<'_>) {
        let labels = labels.iter().map(|(name, value)| format!("{name}={value}"));
        self.calls.push(format!("[{}]", labels.collect::<Vec<_>>().join(",")));
    }

    fn number(&mut self, family: &'static Family, extra: Extra, value: Number, created_us: Option<u64>) {
        let extra = extra.map_or_else(String::new, |(name, value)| format!(" {name}={value}"));
        let created = created_us.map_or_else(String::new, |created_us| format!(" since {created_us}"));
        self.calls.push(format!("{}{extra} {}{created}", family.name, value.as_f64()));
    }

    fn histogram(&mut self, family: &'static Family, buckets: &Buckets, _: Option<u64>) {
        self.calls.push(format!("{} {}", family.name, buckets.count()));
    }
}

fn script<T: Traversal>(garage: &Garage, calls_max: usize) -> (Vec<String>, Option<()>) {
    let mut script = Script { calls: Vec::new(), calls_max };
    let mut samples = Samples::new(false);
    visit(&STAGE, garage, &mut samples);
    visit_rows(&GATES, &garage.gates.map(|(gate, count)| ([gate], count)), &mut samples);
    T::samples(&samples, &mut script);
    let end = T::group::<Levels, _>(&Local(garage), |garage| garage, &mut script);
    (script.calls, end)
}

#[test]
fn by_family_each_family_has_all_series() {
    let expected = "# example_levels|[]|example_levels 2|# example_gate_openings_total|[gate=east]|\
        example_gate_openings_total 1|[gate=west]|example_gate_openings_total 2|\
        # example_cars_total|[level=0]|example_cars_total 0 since 7|[level=1]|example_cars_total 1 since 7|\
        # example_washed_cars_total|[level=1]|example_washed_cars_total 1 since 7|\
        # example_fuel_total|[level=0]|example_fuel_total fuel=diesel 0 since 7|\
        example_fuel_total fuel=petrol 1 since 7|[level=1]|example_fuel_total fuel=diesel 1 since 7|\
        example_fuel_total fuel=petrol 1 since 7";
    assert_eq!(script::<ByFamily>(&garage(2), usize::MAX).0.join("|"), expected);
}

#[test]
fn by_series_each_series_has_all_families() {
    let expected = "[]|example_levels 2|[gate=east]|example_gate_openings_total 1|[gate=west]|\
        example_gate_openings_total 2|[level=0]|example_cars_total 0 since 7|\
        example_fuel_total fuel=diesel 0 since 7|example_fuel_total fuel=petrol 1 since 7|\
        [level=1]|example_cars_total 1 since 7|example_washed_cars_total 1 since 7|\
        example_fuel_total fuel=diesel 1 since 7|example_fuel_total fuel=petrol 1 since 7";
    assert_eq!(script::<BySeries>(&garage(2), usize::MAX).0.join("|"), expected);
}

#[test]
fn series_are_read_in_slices_and_a_visitor_that_has_gone_ends_the_traversal() {
    let series = 3 * SLICE as u64 + 5;
    let (calls, end) = script::<BySeries>(&garage(series), usize::MAX);
    let levels = calls.iter().filter(|call| call.starts_with("[level=")).count() as u64;
    assert_eq!((levels, end), (series, Some(())));
    let (calls, end) = script::<ByFamily>(&garage(series), 100);
    assert!(calls.len() < 3 * SLICE && end.is_none(), "{}", calls.len());
}

#[test]
fn unit_and_base_name_follow_from_the_name() {
    let family = |name, kind| Family { name, kind, help: "", labels: &[], bounds: &[], exemplars: false };
    let bytes = family("a_bytes_total", Kind::Counter);
    assert_eq!((bytes.unit(), bytes.base_name()), (Unit::Bytes, "a_bytes"));
    assert_eq!(family("a_seconds", Kind::Histogram).unit(), Unit::Seconds);
    assert_eq!(family("a_total", Kind::Counter).unit(), Unit::None);
    assert_eq!(families(&LEVELS).map(|family| family.labels.len()).sum::<usize>(), 4);
}
