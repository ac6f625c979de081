use super::*;

const LISTS: &str = "
words:
  - { word: 'told, tell', say: reported }
  - { word: 'room, rooms', say: module }
  - { word: 'book, books', say: ledger }
  - { word: 'look at, a look', say: read }
  - { word: be it, say: whether }
allowed: [address book, look up]
openings: [what, it, those, be it]
empty_comments: [likewise]
skip: [{ path: gen, reason: generated }]
exceptions: [{ path: quoted, words: [told], reason: quotes an author }]
pending: [later]";

fn check(path: &str, text: &str, expected: &[&str]) {
    let paths = ["gen/x", "quoted/x"];
    let mut files: Vec<_> = paths.iter().map(|path| (*path, "")).collect();
    files.push((path, text));
    let mut report = super::check(&Tree::of(&files, &[]), &serde_saphyr::from_str(LISTS).unwrap()).unwrap();
    report.sort();
    let lines: Vec<String> =
        report.findings.iter().map(|f| format!("{}: {}. {}", f.line, f.problem, f.advice)).collect();
    assert_eq!(lines, expected);
}

#[test]
fn a_banned_word_in_an_identifier_is_a_finding() {
    check(
        "a.rs",
        "fn told_at() {}\nstruct WaitingRoom;",
        &[
            "1: `told` in the identifier `told_at`. Say reported",
            "2: `room` in the identifier `WaitingRoom`. Say module",
        ],
    );
}

#[test]
fn longer_words_are_no_findings() {
    check("a.rs", "/// The headroom of bookkeeping, retold.\nfn headroom() {}", &[]);
}

#[test]
fn allowed_phrases_are_no_findings() {
    check("a.rs", "/// An address book.\nstruct AddressBook; fn address_book() {}", &[]);
    check("a.rs", "/// A book.\nfn a() {}", &["1: `book` in a comment. Say ledger"]);
}

#[test]
fn phrases_go_on_across_lines() {
    check("a.rs", "// They look\n// at b.\nfn b() {}", &["1: `look at` in a comment. Say read"]);
    check("a.rs", "// Names to look up. At b.\nfn b() {}", &[]);
}

#[test]
fn texts_outside_tests_are_checked() {
    check("src/a.rs", "const A: &str = \"is told\";", &["1: `told` in a text. Say reported"]);
    check("src/a/tests.rs", "const A: &str = \"is told\";", &[]);
}

#[test]
fn comments_of_other_files_are_checked() {
    check("a.proto", "// Is told.\nmessage A {}", &["1: `told` in a comment. Say reported"]);
    check("a.yaml", "told: 1 # is told", &["1: `told` in a comment. Say reported"]);
}

#[test]
fn sentences_begin_with_a_noun_or_a_verb() {
    check(
        "a.rs",
        "/// What is reported. It ends;\n/// it stays. Those\n/// too.\nfn a() {}",
        &[
            "1: a sentence begins with `it`. Begin with the noun that is meant, or with a verb",
            "1: a sentence begins with `what`. Begin with the noun that is meant, or with a verb",
            "2: a sentence begins with `those`. Begin with the noun that is meant, or with a verb",
        ],
    );
    check("a.rs", "// It is a comment.\nfn a() {}", &[]);
}

#[test]
fn headings_may_ask() {
    check("a.md", "## What does `told` cost?\n\n`It` costs 1.", &[]);
    check(
        "a.md",
        "- a\n- **It costs.**",
        &["2: a sentence begins with `it`. Begin with the noun that is meant, or with a verb"],
    );
}

#[test]
fn comments_without_content_are_findings() {
    check(
        "a.rs",
        "/// Likewise.\nfn a() {}",
        &["1: `likewise` in a comment. Say the thing itself, or nothing"],
    );
    check("a.rs", "/// Counts b likewise.\nfn a() {}", &[]);
}

#[test]
fn skipped_excepted_and_pending_paths_have_no_findings() {
    check("gen/a.rs", "fn told() {}", &[]);
    check("quoted/a.rs", "fn told() {}", &[]);
    check("quoted/b.rs", "fn room() {}", &["1: `room` in the identifier `room`. Say module"]);
    check("later/a.rs", "fn told() {}", &[]);
}
