//! Success bodies are the vendor's, byte for byte: whatever a JSON reader and writer would tidy up stays as it came.

use crate::harness::{DATA, Mirrored, SALES, SUPPORT, Setup, World};

/// Members that do not survive a reader who thinks in doubles, maps and unescaped strings.
const ODD: &str = r#""one":1.0 , "hundred" : 1e2,"minus":-0.0E+00,"large":12345678901234567890,"tiny":1e-400,
  "text":"\u0645\u0631\ud83d\ude00 \/ é ×","": {"b":[ ],"a":{ }},	"Name":1,"name":2,"NAME":null,"nothing":null"#;

/// The vendor's answer to the route's good request, with oddities at each depth.
fn odd(route: &Mirrored) -> String {
    let data = match route.name {
        "organization" => format!(
            r#""organization":{{{ODD}}},"companies": [ {{"id":100301,{ODD}}} ,{{"id": 100302, "name":"\u0062"}}],{ODD}"#
        ),
        "questions" => format!(r#""questions":[ {{{ODD}}} , {{}} ]"#),
        "surveys" => format!(r#""profile":{{{ODD}}},"surveys":[{{{ODD},"doubled":1,"doubled":2}}],"pagination":null"#),
        queues => {
            let name = match queues {
                "summary" => "id",
                "activity" => "queueId",
                _ => "queryId",
            };
            let row = |id: &str| format!(r#"{{ {ODD},"Id":"{id}x", "{name}" : "{id}" ,"data":[1.0,{{{ODD}}}]}}"#);
            format!(r#""success" : true,"result":[{},{}],{ODD}"#, row(SALES), row(SUPPORT))
        }
    };
    format!("{{ \"data\" : {{{data}}} ,\r\n\t\"success\" :true, {ODD} }}")
}

#[tokio::test]
async fn whatever_the_vendor_writes_arrives_byte_for_byte_on_a_miss_and_on_a_hit() {
    let world = World::new().await;
    for route in &DATA {
        let body = odd(route);
        world.vendor.set_answer(route.name, body.clone());
        let (miss, again) = (world.ask(route).await.ok(), world.ask(route).await.ok());
        assert_eq!(miss.text(), body, "{}", route.name);
        assert_eq!(again.text(), body, "{}", route.name);
        // Surveys are not kept.
        let kept = route.name != "surveys";
        assert!(miss.header("cache-status").starts_with("wesal-gateway; fwd="), "{}", route.name);
        assert_eq!(again.header("cache-status").starts_with("wesal-gateway; hit"), kept, "{}", route.name);
        assert_eq!(world.vendor_calls(route.name), if kept { 1 } else { 2 });
    }
}

#[tokio::test]
async fn a_caller_held_to_some_companies_sees_only_those_and_all_else_unchanged() {
    let mut setup = Setup::default();
    let second = setup.caller("second", |caller| caller.companies(&[100_302, 7]));
    let none = setup.caller("none", |caller| caller.companies(&[7]));
    let world = setup.start().await;
    let (organization, body) = (&DATA[0], odd(&DATA[0]));
    world.vendor.set_answer("organization", body.clone());
    let (start, end) = (body.find("[ {\"id\":100301").unwrap(), body.find("\\u0062\"}]").unwrap() + 9);
    let with = |list: &str| format!("{}{list}{}", &body[..start], &body[end..]);

    let full = world.ask(organization).await.ok();
    let cut = world.ask_as(&second, organization).await.ok();
    let empty = world.ask_as(&none, organization).await.ok();
    assert_eq!(full.text(), body);
    assert_eq!(cut.text(), with(r#"[{"id": 100302, "name":"\u0062"}]"#));
    assert_eq!(empty.text(), with("[]"));
    assert_eq!(world.vendor_calls("organization"), 1);

    let tags = [&full, &cut, &empty].map(|answer| answer.header("etag").to_owned());
    assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2]);
    for (tag, status) in [(&tags[0], 200), (&tags[1], 304), (&tags[2], 200)] {
        let request = world.request("GET", organization.path).header("authorization", &second);
        let answer = world.send(request.header("if-none-match", tag)).await;
        assert_eq!((answer.status, answer.header("etag")), (status, tags[1].as_str()), "{tag}");
        assert_eq!(answer.text(), if status == 304 { "" } else { cut.text() });
    }
}
