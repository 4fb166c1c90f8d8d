//! The trees of statements, topic by topic, as golden text. `router-grammar` holds every one of
//! them against PostgreSQL's own grammar.

use router_core::sql::parse;
use router_core::sql::print::print;

fn golden(name: &str, corpus: &str) {
    let options = parse::Options::default();
    let mut text = String::new();
    for statement in corpus.split(";\n") {
        let tree = print(&parse(statement, &options), statement, options.lexer);
        text.push_str(&format!("{}\n    {tree}\n", statement.trim_end()));
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

macro_rules! topics {
    ($($topic:ident)*) => {
        $(
            #[test]
            fn $topic() {
                golden(
                    stringify!($topic),
                    include_str!(concat!("sql/corpus/", stringify!($topic), ".sql")),
                );
            }
        )*
    };
}

topics! { select join insert update copy utility session transaction unread }
