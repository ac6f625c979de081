//! The `words` check: identifiers, comments, texts and documents against the list of words not to
//! use.

mod passage;
mod rust_text;
mod plain_text;
mod prose;
mod vocabulary;

use super::finding::{Finding, Report, is_below};
use super::pending;
use super::rust::is_test_path;
use super::tree::Tree;
use anyhow::Context;
use passage::{Kind, Passage};
use serde::Deserialize;
use vocabulary::Vocabulary;

/// The file of the rules, for findings about them.
const RULES: &str = "xtask/structure/words.yaml";

/// `xtask/structure/words.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules {
    #[serde(flatten)]
    vocabulary: Vocabulary,
    /// Files and folders that are not read.
    skip: Vec<Skip>,
    /// Words that one file or folder may use.
    #[serde(default)]
    exceptions: Vec<Exception>,
    /// Files and folders that use the words still.
    #[serde(default)]
    pending: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Skip {
    path: String,
    #[serde(rename = "reason")]
    _reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    path: String,
    words: Vec<String>,
    #[serde(rename = "reason")]
    _reason: String,
}

/// Checks every file that has words.
pub(crate) fn check(tree: &Tree, rules: &Rules) -> anyhow::Result<Report> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        if rules.skip.iter().any(|skip| is_below(path, &skip.path)) {
            continue;
        }
        for passage in passages(path, text).with_context(|| format!("failed to parse {path}"))? {
            findings.extend(rules.find(path, &passage));
        }
    }
    let mut report = pending::split(findings, &rules.pending);
    for path in rules.skip.iter().map(|skip| &skip.path).chain(rules.exceptions.iter().map(|e| &e.path)) {
        if !tree.exists(path) {
            report.findings.push(Finding {
                file: RULES.to_owned(),
                line: tree.line_of(RULES, path, 1),
                problem: format!("the rules name `{path}`, which does not exist"),
                advice: "Remove it from the rules".to_owned(),
            });
        }
    }
    Ok(report)
}

/// The passages of one file, by its extension.
fn passages(path: &str, text: &str) -> anyhow::Result<Vec<Passage>> {
    let (_, extension) = path.rsplit_once('.').unwrap_or_default();
    Ok(match extension {
        "rs" => rust_text::passages(text, is_test_path(path))?,
        "md" => prose::markdown(text),
        "proto" | "ts" => plain_text::comments(text, "//"),
        "yaml" | "yml" | "jinja" | "toml" => plain_text::comments(text, "#"),
        _ => Vec::new(),
    })
}

impl Rules {
    fn find(&self, path: &str, passage: &Passage) -> Vec<Finding> {
        let excepted = |word: &str| {
            let holds = |e: &&Exception| is_below(path, &e.path);
            self.exceptions.iter().filter(holds).any(|e| e.words.iter().any(|w| w == word))
        };
        let words = self.vocabulary.banned(passage).into_iter().filter(|found| !excepted(found.word));
        let mut findings: Vec<Finding> = words
            .map(|found| Finding {
                file: path.to_owned(),
                line: found.line,
                problem: match passage.kind {
                    Kind::Identifier => format!("`{}` in the identifier `{}`", found.word, passage.text),
                    Kind::Comment | Kind::Doc => format!("`{}` in a comment", found.word),
                    Kind::Literal => format!("`{}` in a text", found.word),
                    Kind::Prose | Kind::Example => format!("`{}` in a document", found.word),
                },
                advice: format!("Say {}", found.say),
            })
            .collect();
        findings.extend(self.vocabulary.openings(passage).into_iter().map(|(line, word)| Finding {
            file: path.to_owned(),
            line,
            problem: format!("a sentence begins with `{word}`"),
            advice: "Begin with the noun that is meant, or with a verb".to_owned(),
        }));
        findings
    }
}

#[cfg(test)]
mod tests;
