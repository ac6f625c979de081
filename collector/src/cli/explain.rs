//! `hopscope explain`.

use super::{answer, table};
use anyhow::bail;
use hopscope_core::batch::flags::{FLAGS, Flag, find};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Which flags.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Flags as they stand in a log or label, such as `UC` or `UF,URX`; without any, a list of all.
    #[arg(value_name = "FLAG", value_delimiter = ',')]
    flags: Vec<String>,
    /// One JSON document.
    #[arg(long)]
    json: bool,
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
    if arguments.json {
        let flags: Vec<Value> = flags.into_iter().map(document).collect();
        answer(&format!("{}\n", serde_json::to_string_pretty(&json!({"flags": flags}))?));
    } else if all {
        let cells =
            |flag: &Flag| vec![flag.name.to_owned(), flag.long.to_owned(), flag.fault.text().to_owned()];
        answer(&table::render(
            &["flag", "Envoy's name", "whose fault"],
            &FLAGS.iter().map(cells).collect::<Vec<_>>(),
        ));
    } else {
        answer(&flags.into_iter().map(text).collect::<Vec<_>>().join("\n"));
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(name: &str) -> String {
    let letter = name.chars().next().unwrap_or(' ').to_ascii_uppercase();
    let near: Vec<&str> =
        FLAGS.iter().map(|flag| flag.name).filter(|known| known.starts_with(letter)).collect();
    let advice =
        if near.is_empty() { String::new() } else { format!("; did you mean one of {}?", near.join(" ")) };
    format!("`{name}` is no response flag of Envoy{advice}")
}

fn text(flag: &Flag) -> String {
    let Flag { name, long, meaning, fault, first, .. } = flag;
    format!("{name}  {long}\n  what:   {meaning}\n  whose:  {}\n  first:  {first}\n", fault.text())
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
    fn a_flag_is_told_in_four_lines() {
        let told = text(find("NR").unwrap());
        assert_eq!(
            told,
            "NR  NoRouteFound\n  what:   No route or no filter chain matches the request. The request was not sent.\n  \
             whose:  the mesh configuration\n  first:  Compare host and path with the VirtualService and the \
             Sidecar's egress hosts.\n"
        );
    }

    #[test]
    fn a_typing_error_gets_a_suggestion() {
        assert_eq!(unknown("RN"), "`RN` is no response flag of Envoy; did you mean one of RL RLSE RFCF?");
        assert_eq!(unknown("7"), "`7` is no response flag of Envoy");
    }
}
