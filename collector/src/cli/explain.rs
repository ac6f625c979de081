//! `hopscope explain`.

use super::output::Output;
use super::table::{self, Column};
use crate::terminal::visible;
use anyhow::bail;
use hopscope_core::batch::flags::{FLAGS, Flag, find};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Which flags.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Response flags of an access log or a label, such as `UC` or `UF,URX`. Without flags, all are
    /// listed.
    #[arg(value_name = "FLAG", value_delimiter = ',')]
    flags: Vec<String>,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut found: Vec<&Flag> = Vec::new();
    for name in &arguments.flags {
        match find(name) {
            Some(flag) => found.push(flag),
            None => bail!("{}", unknown(name)),
        }
    }
    let all = found.is_empty();
    let flags: Vec<&Flag> = if all { FLAGS.iter().collect() } else { found };
    let document = json!({"flags": flags.iter().copied().map(document).collect::<Vec<Value>>()});
    arguments.output.write(&document, |_| match all {
        true => table::render(&COLUMNS, &flags),
        false => flags.iter().copied().map(text).collect::<Vec<_>>().join("\n"),
    })?;
    Ok(ExitCode::SUCCESS)
}

const COLUMNS: [Column<&Flag>; 3] = [
    ("flag", |flag| flag.name.to_owned()),
    ("Envoy's name", |flag| flag.long.to_owned()),
    ("fault", |flag| flag.fault.text().to_owned()),
];

fn unknown(name: &str) -> String {
    let letter = name.chars().next().unwrap_or(' ').to_ascii_uppercase();
    let near: Vec<&str> =
        FLAGS.iter().map(|flag| flag.name).filter(|known| known.starts_with(letter)).collect();
    let advice =
        if near.is_empty() { String::new() } else { format!("; did you mean one of {}?", near.join(" ")) };
    format!("`{}` is not a response flag of Envoy{advice}", visible(name))
}

fn text(flag: &Flag) -> String {
    let Flag { name, long, meaning, fault, first, .. } = flag;
    format!(
        "{name}  {long}\n  meaning:      {meaning}\n  fault:        {}\n  first check:  {first}\n",
        fault.text()
    )
}

fn document(flag: &Flag) -> Value {
    json!({
        "flag": flag.name,
        "bit": flag.bit,
        "name": flag.long,
        "meaning": flag.meaning,
        "fault": flag.fault.text(),
        "first_check": flag.first,
    })
}

#[cfg(test)]
mod tests {
    use super::{text, unknown};
    use hopscope_core::batch::flags::find;

    #[test]
    fn a_flag_has_meaning_fault_and_first_check() {
        let text = text(find("NR").unwrap());
        assert_eq!(
            text,
            "NR  NoRouteFound\n  meaning:      No route or no filter chain matches the request. The request was not sent.\n  \
             fault:        the mesh configuration\n  first check:  Compare host and path with the VirtualService and the \
             Sidecar's egress hosts.\n"
        );
    }

    #[test]
    fn an_unknown_flag_is_an_error_with_similar_names() {
        assert_eq!(unknown("RN"), "`RN` is not a response flag of Envoy; did you mean one of RL RLSE RFCF?");
        assert_eq!(unknown("7"), "`7` is not a response flag of Envoy");
    }
}
