"""The servers under test, by name."""

from __future__ import annotations

from bench.subjects.fastapi import FastApiNaive, FastApiShared
from bench.subjects.parse import Parse
from bench.subjects.pocketbase import PocketBase
from bench.subjects.reactor import Reactor, ReactorHttp
from bench.subjects.subject import Subject

SUBJECTS: dict[str, type[Subject]] = {
    subject.name: subject for subject in (Reactor, ReactorHttp, FastApiShared, FastApiNaive, PocketBase, Parse)
}
