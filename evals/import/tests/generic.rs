//! The format of our own: what is read, and what is said of mistakes.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

use ostler_diagnosis::finding::Verdict;
use ostler_diagnosis::picture::{How, Kind, Measure};
use ostler_diagnosis::signals;
use ostler_evals_import::case::Truth;
use ostler_evals_import::generic;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("ostler-generic-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with(self, file: &str, text: &str) -> Self {
        fs::write(self.0.join(file), text).unwrap();
        self
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn metrics() -> String {
    let mut text = "time,object,measure,name,value\n".to_owned();
    for at in (0..60).rev() {
        let slow = if at < 50 { 0.1 } else { 0.9 };
        text += &format!(
            "{at},app/web,latency,mean,{slow}\n{at},app/db,latency,mean,{}\n",
            slow - 0.05
        );
    }
    text + "60,app/web,latency,mean,\n"
}

fn incident(name: &str) -> Folder {
    Folder::new(name).with("metrics.csv", &metrics()).with(
        "truth.yaml",
        "objects: [app/db]\ncause: slow\nnoticed: 50\nsymptom: app/web\n",
    )
}

#[test]
fn a_whole_case_is_read_and_diagnosed() {
    let folder = incident("whole")
        .with(
            "graph.csv",
            "from,to,how\napp/web,app/db,calls\napp/web,node/a,runs_on\n",
        )
        .with(
            "events.csv",
            "time,object,reason,message,count\n51,node/a,DiskPressure,\"full, nearly\",3\n",
        )
        .with("logs.csv", "time,object,line,count\n,app/web,timed out,\n");
    let cases = generic::read(folder.path()).unwrap();
    let case = cases.first().unwrap();
    let picture = &case.picture;
    assert_eq!(
        case.truth,
        Truth::Faulty {
            objects: vec!["app/db".into()],
            cause: Some("slow".into())
        }
    );
    assert_eq!(
        (picture.noticed, picture.symptom.as_deref()),
        (Some(50.0), Some("app/web"))
    );
    assert_eq!(picture.signals.len(), 2);
    assert!(
        picture
            .signals
            .iter()
            .all(|signal| signal.points.len() == 60 && signal.measure == Measure::Latency)
    );
    assert_eq!(
        picture
            .edges
            .iter()
            .map(|edge| edge.how)
            .collect::<Vec<_>>(),
        [How::Calls, How::RunsOn]
    );
    assert_eq!(
        (picture.events[0].count, picture.events[0].message.as_str()),
        (3, "full, nearly")
    );
    assert_eq!((picture.logs[0].count, picture.logs[0].at), (1, None));
    assert_eq!(picture.objects["node/a"].kind, Kind::Node);
    let diagnosis = signals::rank(picture);
    assert_eq!(diagnosis.verdict, Verdict::Found);
    assert_eq!(diagnosis.findings[0].object, "app/db");
}

#[test]
fn a_folder_of_cases_is_read_in_order() {
    let folder = Folder::new("many");
    for name in ["b", "a"] {
        let inner = folder.path().join(name);
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("metrics.csv"), metrics()).unwrap();
        fs::write(inner.join("truth.yaml"), "healthy: true\n").unwrap();
    }
    let ids: Vec<_> = generic::read(folder.path())
        .unwrap()
        .into_iter()
        .map(|case| case.id)
        .collect();
    assert_eq!(ids, ["generic/a", "generic/b"]);
}

#[test]
fn a_series_a_column_reads_as_a_point_a_row() {
    let wide = "\u{feff}time,front-end_latency_p90,db:CPU,app/load_generator_cpu\n\
        2014-04-01T00:06:00Z,9,NaN,1\n2014-04-01T00:05:00Z,7,0.5,null\n";
    let told = "objects: [db]\nnoticed: 2014-04-01T00:06:00Z\n";
    let folder = Folder::new("wide")
        .with("metrics.csv", wide)
        .with("truth.yaml", told)
        .with(
            "graph.csv",
            "from,to,how\nfront-end,db,CALLS\ndb,worker-1,runs_on\n",
        );
    let cases = generic::read(folder.path()).unwrap();
    let picture = &cases[0].picture;
    let read = picture.signals.iter();
    let read: Vec<_> = read
        .map(|s| {
            (
                s.object.as_str(),
                s.measure,
                s.name.as_str(),
                s.points.as_slice(),
            )
        })
        .collect();
    let (early, late) = (1_396_310_700.0, 1_396_310_760.0);
    assert_eq!(
        read,
        [
            ("app/load_generator", Measure::Cpu, "", &[(late, 1.0)][..]),
            ("db", Measure::Cpu, "", &[(early, 0.5)][..]),
            (
                "front-end",
                Measure::Latency,
                "p90",
                &[(early, 7.0), (late, 9.0)][..]
            ),
        ]
    );
    assert_eq!(picture.noticed, Some(late));
    assert_eq!(picture.objects["worker-1"].kind, Kind::Node);
}

#[test]
fn times_in_thousandths_are_seconds() {
    let rows =
        "time,object,measure,name,value\n1396310700500,web,Cpu,,1\n1396310701000,web,cpu,,2\n";
    let folder = Folder::new("thousandths")
        .with("metrics.csv", rows)
        .with("truth.yaml", "objects: [web]\nnoticed: 1396310701000\n");
    let cases = generic::read(folder.path()).unwrap();
    let picture = &cases[0].picture;
    assert_eq!(
        picture.signals[0].points,
        [(1_396_310_700.5, 1.0), (1_396_310_701.0, 2.0)]
    );
    assert_eq!(picture.noticed, Some(1_396_310_701.0));
}

#[test]
fn mistakes_are_named_with_file_and_line() {
    each_is_named(&[
        (
            "metrics.csv",
            "time,object,measure,name,value\n1,a,latency,m,1\nx,a,latency,m,1\n",
            "metrics.csv:3",
        ),
        (
            "metrics.csv",
            "time,object,measure,name,value\n1,a,speed,m,1\n",
            "unknown variant `speed`",
        ),
        (
            "metrics.csv",
            "time,object,name,value\n",
            "no column `measure`",
        ),
        (
            "metrics.csv",
            "time,object,measure,name,value\n1,,latency,m,1\n",
            "`object` is empty",
        ),
        ("metrics.csv", "", "is empty"),
        ("graph.csv", "from,to,how\na,b,phones\n", "graph.csv:2"),
        (
            "logs.csv",
            "time,object,line,count\n1,a,b,many\n",
            "`many` is no count",
        ),
        (
            "metrics.csv",
            "time;object;measure;name;value\n",
            "commas must separate the cells",
        ),
        (
            "truth.yaml",
            "healthy: true\nnoticed: soon\n",
            "`soon`, which is no time",
        ),
        (
            "truth.yaml",
            "healthy: true\nnoticed: 1396310700\n",
            "goes from 0 to 59",
        ),
        ("truth.yaml", "cause: slow\n", "either `healthy: true`"),
        ("truth.yaml", "healthy: true\nobjets: [a]\n", "objets"),
    ]);
}

#[test]
fn titles_that_do_not_say_what_they_hold_are_named() {
    each_is_named(&[
        (
            "metrics.csv",
            "time,web_speed\n1,2\n",
            "metrics.csv:1: column `web_speed`",
        ),
        (
            "metrics.csv",
            "time,web_error_rate\n1,2\n",
            "metrics.csv:1: column `web_error_rate`",
        ),
        (
            "metrics.csv",
            "time,web_cpu,web:CPU\n1,2,3\n",
            "metrics.csv:1: column `web:CPU` is there twice",
        ),
        (
            "metrics.csv",
            "time,object,measure,name,value\n1,a,cpu,m,0,25\n",
            "metrics.csv:2: has 6 cells",
        ),
        (
            "metrics.csv",
            "time,web:cpu\n1,2\n2,much\n",
            "metrics.csv:3: `much` is no number",
        ),
    ]);
}

/// File, content, and what the error says.
fn each_is_named(mistakes: &[(&str, &str, &str)]) {
    for (index, (file, text, expected)) in mistakes.iter().enumerate() {
        let name = format!("wrong {} {index}", mistakes.len());
        let folder = incident(&name).with(file, text);
        let said = generic::read(folder.path()).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_folder_without_metrics_is_none() {
    let nothing = Folder::new("nothing");
    assert!(
        generic::read(nothing.path())
            .unwrap_err()
            .to_string()
            .contains("metrics.csv")
    );
}
