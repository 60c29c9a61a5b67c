import { useMutation, useQuery } from "convex/react";
import { type FormEvent, useState } from "react";
import { api } from "./generated/api";

export function App() {
  const notes = useQuery(api.notes.latest, {});
  const add = useMutation(api.notes.add);
  const toggle = useMutation(api.notes.toggle);
  const remove = useMutation(api.notes.remove);
  const [text, setText] = useState("");

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (!text.trim()) return;
    setText("");
    await add({ text });
  }

  return (
    <main>
      <h1>{{name}}</h1>
      <form onSubmit={submit}>
        <input value={text} onChange={(e) => setText(e.target.value)} placeholder="A new note" autoFocus />
        <button disabled={!text.trim()}>Add</button>
      </form>
      {notes === undefined && <p className="quiet">Connecting to reactor …</p>}
      {notes?.length === 0 && <p className="quiet">Nothing yet. Open this page twice, and add something.</p>}
      <ul>
        {notes?.map((note) => (
          <li key={note._id}>
            <label className={note.done ? "done" : ""}>
              <input type="checkbox" checked={note.done} onChange={() => toggle({ noteId: note._id })} />
              {note.text}
            </label>
            <button className="quiet" onClick={() => remove({ noteId: note._id })} aria-label={`Remove ${note.text}`}>
              ×
            </button>
          </li>
        ))}
      </ul>
    </main>
  );
}
