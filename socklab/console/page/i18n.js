// English and Korean: the browser's language decides, the switch overrides it. The page's own words stand here by
// their English; what the server says comes as a code and values, and stands in en.json and ko.json.

const KOREAN = {
  "Overview": "개요", "Connections": "연결", "Operator": "운영", "Views": "화면", "Client": "클라이언트",
  "To the content": "본문으로", "Colours": "색", "Leave": "나가기", "Come in": "들어가기", "Token": "토큰",
  "The server's log says how to come in: a line with an address that ends in # and a token.":
    "들어오는 방법은 서버 로그에 있습니다. 주소 끝에 #과 토큰이 붙은 줄을 찾으세요.",
  "no connection to the server": "서버와 연결이 끊겼습니다", "The console has moved: go there": "콘솔이 옮겨졌습니다: 그리로 가기", "events lost": "놓친 이벤트",
  "operator": "운영자", "viewer": "보기 전용", "peer": "상대", "server": "서버",
  "Messages per second": "초당 메시지", "Bytes per second": "초당 바이트", "Latency": "지연",
  "open": "열림", "received": "받음", "sent": "보냄", "handling p50": "처리 p50", "handling p99": "처리 p99", "reactor p99": "리액터 p99",
  "Services": "서비스", "Service": "서비스", "Listener": "듣는 곳", "Messages/s in": "메시지/초 받음", "out": "보냄", "in": "받음",
  "Bytes/s in": "바이트/초 받음", "Handling p99": "처리 p99", "its peers leave": "상대가 떠나는 중",
  "counted with the one above": "위와 합쳐서 셉니다",
  "Nothing yet. Messages are kept only while a page looks: what was said before that is not here.":
    "아직 없습니다. 메시지는 페이지가 보고 있는 동안에만 남습니다. 그 전에 오간 말은 여기에 없습니다.",
  "What is sent, and what comes, stands here.": "보낸 것과 받은 것이 여기에 나옵니다.",
  "Limits": "한도", "Refused": "거절", "Rule": "규칙", "Times": "횟수", "Nobody, so far.": "아직 없습니다.",
  "Events": "이벤트", "Nothing so far.": "아직 없습니다.",
  "refused": "거절", "cut": "끊음", "dropped": "버림", "failed": "실패", "done": "운영",
  "Transport": "전송", "Peer": "상대", "Since": "지난 시간", "In": "받음", "Out": "보냄", "Bytes in": "받은 바이트", "Bytes out": "보낸 바이트", "State": "상태",
  "each datagram by itself": "데이터그램마다 따로", "Filter": "거르기", "Filter: service, address, transport": "거르기: 서비스, 주소, 전송",
  "ended too": "끝난 것도", "Select": "고르기", "Select all that are shown": "보이는 것 모두 고르기", "Nobody is here.": "아무도 없습니다.",
  "To the selected": "고른 연결", "Write": "보내기", "Send": "보내기", "Written to": "보낸 연결 수", "Close": "닫기", "Reset": "강제 종료(RST)", "At once, losing what is owed; on TCP by RST": "보낼 것이 남아 있어도 바로 끊습니다. TCP에서는 RST", "Closed": "닫았습니다",
  "Form": "형식", "Message": "메시지", "Messages": "메시지", "text": "글자", "escapes": "이스케이프", "hex": "16진수", "file": "파일", "binary": "바이너리",
  "Text, in the peer's encoding": "글자 (상대의 인코딩으로 보냅니다)", "On WebSocket: a binary message": "WebSocket에서 바이너리 메시지로",
  "These are no pairs of hex digits.": "16진수 두 자리씩이 아닙니다.",
  "Escapes are \\r \\n \\t \\0 \\e \\\\ \\xNN and \\u{N}.": "쓸 수 있는 이스케이프: \\r \\n \\t \\0 \\e \\\\ \\xNN \\u{N}",
  "Search": "찾기", "Search text or hex": "글자나 16진수 찾기", "follow": "따라가기", "Pause": "멈춤", "Go on": "계속", "Clear": "지우기", "Download": "내려받기",
  "the peer will send nothing more (FIN)": "상대가 더 보내지 않습니다 (FIN)", "end": "끝",
  "Mute address": "주소 음소거", "Ban address": "주소 차단", "Muted": "음소거했습니다", "Banned": "차단했습니다",
  "This conversation is no longer remembered.": "이 대화는 더 이상 남아 있지 않습니다.", "since": "시작", "closed by": "닫은 쪽:",
  "Rooms": "대화방", "Room": "대화방", "Line": "줄", "There are no rooms.": "대화방이 없습니다.", "A line, said as operator": "operator로 말할 한 줄", "Say": "말하기",
  "You may look, and do nothing.": "볼 수만 있습니다.",
  "Bans and mutes": "차단과 음소거", "Kind": "종류", "ban": "차단", "mute": "음소거", "Address or network": "주소나 네트워크", "Add": "더하기", "Remove": "없애기",
  "A ban holds for all services, and a mute for the chats, until it is removed or the server ends; a reload keeps them.":
    "차단은 모든 서비스에, 음소거는 채팅에 적용됩니다. 없애거나 서버가 끝날 때까지 남고, 설정을 다시 읽어도 남습니다.",
  "There is no such service, or it does not let this page in.": "그런 서비스가 없거나 이 페이지를 받지 않습니다.",
  "Over WebSocket this page reaches the services of this server only.": "WebSocket으로는 이 서버의 서비스에만 연결할 수 있습니다.",
  "closed": "닫힘", "not cleanly": "비정상 종료", "The connection is closed.": "연결이 닫혀 있습니다.",
  "Address": "주소", "Mode": "방식", "one connection, kept": "연결 하나를 유지", "a new connection for each": "보낼 때마다 새 연결",
  "Line end": "줄 끝", "no line end": "줄 끝 없음", "Connect": "연결", "connected": "연결됨", "from port": "내 포트", "Where to?": "어디로 보낼까요?",
  "A service of this server": "이 서버의 서비스", "Saved sends": "저장한 보내기", "Name": "이름", "Name of this send": "이 보내기의 이름", "Save this one": "저장", "Share": "공유",
  "The link is in the address bar, and copied.": "링크를 주소창에 넣고 복사했습니다.", "This link is damaged.": "링크가 깨졌습니다.",
  "They are kept in this browser. A link fills in the form, and sends nothing by itself.": "이 브라우저에 저장됩니다. 링크는 칸을 채우기만 하고 저절로 보내지 않습니다.",
  "There are none.": "없습니다.", "Config": "설정", "Reload": "다시 읽기",
  "Read the config file again, as SIGHUP does: who is here stays.": "SIGHUP처럼 설정 파일을 다시 읽습니다. 이어진 연결은 그대로입니다.",
};

export const language = localStorage.getItem("language") ?? (navigator.language.startsWith("ko") ? "ko" : "en");
document.documentElement.lang = language;

/** Give a text in the user's language. */
export const t = (text) => (language === "ko" ? (KOREAN[text] ?? text) : text);

const texts = await (await fetch(`/page/${language}.json`)).json();

/** Give what the server says, `{code, values}`, in the user's language; a value may be such a thing itself. */
export const said = ({ code, values }) =>
  texts[code].replace(/\{(\w+)\}/g, (_, name) => (values[name].code ? said(values[name]) : String(values[name])));

/** Choose a language for good. */
export function setLanguage(chosen) {
  localStorage.setItem("language", chosen);
  location.reload();
}
