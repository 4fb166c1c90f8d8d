//! Where a session looks for names that has set nothing: by the server's, the database's or the role's own setting.

/// Asks a server for it.
pub(crate) const ASK: &str = "SELECT reset_val FROM pg_catalog.pg_settings \
                              WHERE name OPERATOR(pg_catalog.=) 'search_path'";

/// The schemas, by the answer. `"$user"` among them is the role's name, by which the planner can look.
pub(crate) fn of(rows: &[Vec<String>], role: &str) -> Vec<String> {
    let list = rows.first().and_then(|row| row.first());
    let names = crate::session::settings::names(list.map_or("", String::as_str));
    let own = |name: String| match name.as_str() {
        "$user" => role.to_owned(),
        _ => name,
    };
    names.into_iter().map(own).collect()
}
