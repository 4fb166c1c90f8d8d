// What applications do with pgjdbc. One line per check: its name, a tab, what came of it.

import java.io.FileWriter;
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.*;
import java.util.*;

public class JdbcSmoke {
    interface Check { Object run(Connection c) throws Exception; }

    static final Map<String, Check> CHECKS = new LinkedHashMap<>();
    static final Map<String, String> OPTIONS = new HashMap<>();

    static Connection connect(String more) throws SQLException {
        String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/"
            + System.getenv("PGDATABASE") + "?user=" + System.getenv("PGUSER") + more;
        return DriverManager.getConnection(url);
    }

    static List<Object> rows(ResultSet r) throws SQLException {
        List<Object> found = new ArrayList<>();
        while (r.next()) {
            List<Object> row = new ArrayList<>();
            for (int i = 1; i <= r.getMetaData().getColumnCount(); i++) row.add(r.getString(i));
            found.add(row);
        }
        return found;
    }

    static List<Object> query(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement()) { return rows(s.executeQuery(sql)); }
    }

    static String state(Check check, Connection c) throws Exception {
        try { return String.valueOf(check.run(c)); } catch (SQLException e) { return e.getSQLState(); }
    }

    static void add(String name, String options, Check check) {
        CHECKS.put(name, check);
        OPTIONS.put(name, options);
    }

    public static void main(String[] arguments) throws Exception {
        add("simple", "", c -> query(c, "select 1, 'b', null"));
        add("server_prepared", "&prepareThreshold=2", c -> {
            List<Object> found = new ArrayList<>();
            try (PreparedStatement s = c.prepareStatement("select ?::int * 2, ?::text")) {
                for (int i = 0; i < 10; i++) {
                    s.setInt(1, i);
                    s.setString(2, "x" + i);
                    found.add(rows(s.executeQuery()));
                }
            }
            return found;
        });
        add("many_prepared", "&prepareThreshold=1&preparedStatementCacheQueries=5", c -> {
            int sum = 0;
            for (int i = 0; i < 60; i++) {
                try (PreparedStatement s = c.prepareStatement("select ?::int + " + i % 20)) {
                    s.setInt(1, i);
                    ResultSet r = s.executeQuery();
                    r.next();
                    sum += r.getInt(1);
                }
            }
            return sum;
        });
        add("binary", "&prepareThreshold=-1", c -> {
            try (PreparedStatement s = c.prepareStatement("select ?::int8, ?::timestamptz, ?::bytea")) {
                s.setLong(1, 1L << 40);
                s.setTimestamp(2, new Timestamp(0));
                s.setBytes(3, new byte[] {0, -1});
                ResultSet r = s.executeQuery();
                r.next();
                return r.getLong(1) + " " + r.getTimestamp(2).getTime() + " " + Arrays.toString(r.getBytes(3));
            }
        });
        add("fetch_size", "", c -> {
            c.setAutoCommit(false);
            int count = 0;
            try (PreparedStatement s = c.prepareStatement("select generate_series(1, ?)")) {
                s.setInt(1, 2500);
                s.setFetchSize(100);
                ResultSet r = s.executeQuery();
                while (r.next()) {
                    count++;
                    // Another statement between two parts of a portal.
                    if (count % 1000 == 0) query(c, "select " + count);
                }
            }
            c.commit();
            return count;
        });
        add("batch", "", c -> {
            query(c, "select 1");
            try (Statement s = c.createStatement()) { s.execute("create table batched (id serial, a int unique)"); }
            int[] counts;
            try (PreparedStatement s = c.prepareStatement("insert into batched (a) values (?)")) {
                for (int i = 0; i < 300; i++) {
                    s.setInt(1, i);
                    s.addBatch();
                }
                counts = s.executeBatch();
            }
            String failed = null;
            try (PreparedStatement s = c.prepareStatement("insert into batched (a) values (?)")) {
                for (int a : new int[] {1000, 1, 1001}) {
                    s.setInt(1, a);
                    s.addBatch();
                }
                s.executeBatch();
            } catch (BatchUpdateException e) {
                failed = e.getSQLState() + Arrays.toString(e.getUpdateCounts());
            }
            return counts.length + " " + failed + query(c, "select count(*) from batched");
        });
        add("rewritten_batch", "&reWriteBatchedInserts=true", c -> {
            try (Statement s = c.createStatement()) { s.execute("create table rewritten (a int, b text)"); }
            try (PreparedStatement s = c.prepareStatement("insert into rewritten values (?, ?)")) {
                for (int i = 0; i < 700; i++) {
                    s.setInt(1, i);
                    s.setString(2, "b" + i);
                    s.addBatch();
                }
                s.executeBatch();
            }
            return query(c, "select count(*), sum(a) from rewritten");
        });
        add("generated_keys", "", c -> {
            try (Statement s = c.createStatement()) { s.execute("create table keyed (id serial, a text)"); }
            List<Object> keys = new ArrayList<>();
            try (PreparedStatement s = c.prepareStatement("insert into keyed (a) values (?)", Statement.RETURN_GENERATED_KEYS)) {
                for (int i = 0; i < 3; i++) {
                    s.setString(1, "a" + i);
                    s.addBatch();
                }
                s.executeBatch();
                keys.add(rows(s.getGeneratedKeys()));
            }
            return keys;
        });
        add("transactions", "", c -> {
            try (Statement s = c.createStatement()) { s.execute("create table moved (a int unique)"); }
            c.setAutoCommit(false);
            Statement s = c.createStatement();
            s.execute("insert into moved values (1)");
            Savepoint point = c.setSavepoint("here");
            String twice = state(k -> s.executeUpdate("insert into moved values (1)"), c);
            String failed = state(k -> query(c, "select 1"), c);
            c.rollback(point);
            s.execute("insert into moved values (2)");
            c.commit();
            c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            c.setReadOnly(true);
            String written = state(k -> s.executeUpdate("insert into moved values (3)"), c);
            c.rollback();
            return twice + failed + written + query(c, "select * from moved order by a") + query(c, "show transaction_isolation");
        });
        add("autosave", "&autosave=always", c -> {
            try (Statement s = c.createStatement()) { s.execute("create table autosaved (a int unique)"); }
            c.setAutoCommit(false);
            Statement s = c.createStatement();
            s.execute("insert into autosaved values (1)");
            String twice = state(k -> s.executeUpdate("insert into autosaved values (1)"), c);
            s.execute("insert into autosaved values (2)");
            c.commit();
            return twice + query(c, "select count(*) from autosaved");
        });
        add("stale_plan", "&prepareThreshold=1&autosave=conservative", c -> {
            Statement s = c.createStatement();
            s.execute("create table reshaped (a int)");
            s.execute("insert into reshaped values (1)");
            c.setAutoCommit(false);
            PreparedStatement p = c.prepareStatement("select * from reshaped");
            for (int i = 0; i < 3; i++) rows(p.executeQuery());
            s.execute("alter table reshaped add b int");
            c.commit();
            return rows(p.executeQuery());
        });
        add("copy", "", c -> {
            try (Statement s = c.createStatement()) { s.execute("create table copied (a int, b text)"); }
            org.postgresql.copy.CopyManager manager = c.unwrap(org.postgresql.PGConnection.class).getCopyAPI();
            StringBuilder lines = new StringBuilder();
            for (int i = 0; i < 2000; i++) lines.append(i).append("\tline\n");
            long in = manager.copyIn("copy copied from stdin", new StringReader(lines.toString()));
            StringWriter out = new StringWriter();
            manager.copyOut("copy copied to stdout", out);
            String wrong = state(k -> manager.copyIn("copy copied from stdin", new StringReader("x\n")), c);
            return in + " " + out.getBuffer().length() + " " + wrong + query(c, "select count(*) from copied");
        });
        add("notifications", "", c -> {
            Statement s = c.createStatement();
            s.execute("listen news");
            try (Connection other = connect("")) { other.createStatement().execute("notify news, 'hello'"); }
            org.postgresql.PGNotification[] heard = c.unwrap(org.postgresql.PGConnection.class).getNotifications(10000);
            return heard.length + heard[0].getName() + heard[0].getParameter();
        });
        add("cancel", "", c -> {
            Statement s = c.createStatement();
            s.setQueryTimeout(1);
            return state(k -> rows(s.executeQuery("select pg_sleep(20)")), c) + query(c, "select 1");
        });
        add("metadata", "", c -> {
            try (Statement s = c.createStatement()) { s.execute("create table described (a int primary key, b varchar(7))"); }
            ResultSet r = c.getMetaData().getColumns(null, null, "described", null);
            List<String> columns = new ArrayList<>();
            while (r.next()) columns.add(r.getString("COLUMN_NAME") + r.getString("TYPE_NAME") + r.getInt("COLUMN_SIZE"));
            PreparedStatement p = c.prepareStatement("select * from described where a = ?");
            return columns + p.getMetaData().getColumnName(2) + p.getParameterMetaData().getParameterTypeName(1);
        });
        add("simple_mode", "&preferQueryMode=simple", c -> {
            try (PreparedStatement s = c.prepareStatement("select ?::int, ?")) {
                s.setInt(1, 3);
                s.setString(2, "it's");
                return rows(s.executeQuery());
            }
        });
        add("call", "", c -> {
            try (Statement s = c.createStatement()) {
                s.execute("create function doubled(inout n int) language plpgsql as 'begin n := n * 2; end'");
            }
            CallableStatement call = c.prepareCall("{ call doubled(?) }");
            call.setInt(1, 21);
            call.registerOutParameter(1, Types.INTEGER);
            call.execute();
            return call.getInt(1);
        });
        add("settings", "&options=-c%20work_mem=77kB&ApplicationName=smoke&currentSchema=pg_catalog", c -> {
            c.setClientInfo("ApplicationName", "changed");
            return "" + query(c, "show work_mem") + query(c, "show application_name") + query(c, "show search_path");
        });
        add("many_connections", "&prepareThreshold=1", c -> {
            List<Thread> threads = new ArrayList<>();
            java.util.concurrent.atomic.AtomicInteger sum = new java.util.concurrent.atomic.AtomicInteger();
            for (int t = 0; t < 8; t++) {
                Thread thread = new Thread(() -> {
                    try (Connection own = connect("&prepareThreshold=1")) {
                        PreparedStatement s = own.prepareStatement("select ?::int");
                        for (int i = 0; i < 100; i++) {
                            s.setInt(1, i);
                            ResultSet r = s.executeQuery();
                            r.next();
                            sum.addAndGet(r.getInt(1));
                        }
                    } catch (SQLException e) {
                        throw new RuntimeException(e);
                    }
                });
                threads.add(thread);
                thread.start();
            }
            for (Thread thread : threads) thread.join();
            return sum.get();
        });

        try (FileWriter results = new FileWriter(System.getenv("RESULTS"))) {
            for (Map.Entry<String, Check> check : CHECKS.entrySet()) {
                String outcome;
                try (Connection c = connect(OPTIONS.get(check.getKey()))) {
                    outcome = String.valueOf(check.getValue().run(c));
                } catch (Exception e) {
                    outcome = "failed: " + e;
                    e.printStackTrace();
                }
                results.write(check.getKey() + "\t" + outcome.replaceAll("\\s+", " ") + "\n");
            }
        }
    }
}
