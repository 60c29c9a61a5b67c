import { useMutation, useQuery } from "convex/react";
import { type FormEvent, useState } from "react";
import { api } from "./generated/api";

const ROOM = "lobby";
const NAME = `guest ${Math.floor(Math.random() * 900) + 100}`;

export function App() {
  const messages = useQuery(api.chat.latest, { room: ROOM });
  const send = useMutation(api.chat.send);
  const like = useMutation(api.chat.like);
  const [text, setText] = useState("");

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (!text.trim()) return;
    setText("");
    await send({ room: ROOM, author: NAME, text });
  }

  return (
    <main>
      <h1>{{name}}</h1>
      <form onSubmit={submit}>
        <input value={text} onChange={(e) => setText(e.target.value)} placeholder={`Say something as ${NAME}`} autoFocus />
        <button disabled={!text.trim()}>Send</button>
      </form>
      {messages === undefined && <p className="quiet">Connecting to reactor …</p>}
      {messages?.length === 0 && <p className="quiet">Nobody has said anything. Open this page twice, and talk.</p>}
      <ul>
        {messages?.map((message) => (
          <li key={message._id}>
            <span>
              <b>{message.author}</b> {message.text}
            </span>
            <button className="quiet" onClick={() => like({ messageId: message._id })} aria-label="Like">
              ♥ {message.likes}
            </button>
          </li>
        ))}
      </ul>
    </main>
  );
}
