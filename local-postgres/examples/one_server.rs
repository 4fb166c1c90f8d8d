//! Starts a server, prints its port and directory, and waits for the end of its input.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = local_postgres::Server::builder().start()?;
    let directory = server.data_directory();
    let mut lines = format!("{}\n{}\n", server.port(), directory.display());
    lines.push_str(
        &server
            .process()
            .map_or_else(String::new, |process| process.to_string()),
    );
    lines.push('\n');
    std::io::Write::write_all(&mut std::io::stdout(), lines.as_bytes())?;
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}
