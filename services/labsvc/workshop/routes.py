"""The workshop's REST endpoints: which path does what, and who may. The paths are the source's."""

from labsvc.rest import Call, Endpoint, Nothing, Role
from labsvc.workshop.people import Wish
from labsvc.workshop.shapes import (
    Answer,
    Board,
    Claim,
    Done,
    Export,
    Facilitator,
    Flag,
    GoTo,
    Join,
    Joined,
    Leaderboard,
    Me,
    Metrics,
    MyTicket,
    NewName,
    ParticipantId,
    Paste,
    Pasted,
    Progress,
    Ready,
    Renamed,
    Room,
    ScenarioName,
    SessionShape,
    Start,
    Submit,
    Submitted,
    Summary,
    TicketId,
    Triggered,
    WorkshopId,
)
from labsvc.workshop.workshop import Workshop


def endpoints(workshop: Workshop) -> list[Endpoint]:
    """All of them."""
    return [*_facilitator(workshop), *_participant(workshop), *_tickets(workshop), *_readers(workshop)]


def _facilitator(workshop: Workshop) -> list[Endpoint]:
    hour, hall, door = workshop.hour, workshop.hall, workshop.door

    async def start(call: Call) -> SessionShape:
        body: Start = call.body
        return await hour.start(name=body.name, expected=body.participant_count, speed=body.speed)

    async def scenario(call: Call) -> Triggered:
        return Triggered(scenario=call.params.name, status=await hour.scenario(call.params.name))

    async def stop(_: Call) -> SessionShape:
        return await hour.stop()

    async def pause(call: Call) -> SessionShape:
        return await hour.pause(call.body.on)

    async def freeze(call: Call) -> SessionShape:
        return await hour.freeze(call.body.on)

    async def go_to(call: Call) -> SessionShape:
        return await hour.go_to(call.body.segment)

    async def room(_: Call) -> Room:
        return await workshop.analytics.room()

    async def paste(call: Call) -> Pasted:
        return await hall.paste(call.who, call.body.text)

    async def rename(call: Call) -> Renamed:
        return await hall.rename(call.params.participant, call.body.name)

    async def export(call: Call) -> Export:
        return await workshop.analytics.export(call.query.workshop_id)

    async def claim(call: Call) -> Facilitator:
        return await door.claim(call.body.token)

    async def check(_: Call) -> Facilitator:
        return Facilitator(is_facilitator=True)

    f: Role = "facilitator"
    return [
        Endpoint("PUT", "/workshop/facilitator", "Claim the token, once", claim, Facilitator).taking(Claim),
        Endpoint("GET", "/workshop/facilitator", "Is this the facilitator's token?", check, Facilitator, role=f),
        Endpoint("POST", "/workshop/start", "Start a session", start, SessionShape, role=f).taking(Start),
        Endpoint("POST", "/workshop/stop", "End the session", stop, SessionShape, role=f).taking(Nothing),
        Endpoint("POST", "/workshop/pause", "Stand still, or go on", pause, SessionShape, role=f).taking(Flag),
        Endpoint("POST", "/workshop/freeze", "Freeze or thaw the board", freeze, SessionShape, role=f).taking(Flag),
        Endpoint("POST", "/workshop/next", "Next segment, or another", go_to, SessionShape, role=f).taking(GoTo),
        Endpoint("POST", "/workshop/scenario/{name}", "Trigger a world scenario", scenario, Triggered, role=f)
        .at(ScenarioName)
        .taking(Nothing),
        Endpoint("GET", "/workshop/room", "Board, people, who is stuck", room, Room, role=f),
        Endpoint("POST", "/workshop/paste", "Take score lines out of a chat", paste, Pasted, role=f).taking(Paste),
        Endpoint("POST", "/workshop/participants/{participant}/name", "Another name", rename, Renamed, role=f)
        .at(ParticipantId)
        .taking(NewName)
        .refusing({404: "no such participant"}),
        Endpoint("GET", "/workshop/export", "Every run and the tickets' books", export, Export, role=f)
        .asking(WorkshopId)
        .refusing({404: "no such session"}),
    ]


def _participant(workshop: Workshop) -> list[Endpoint]:
    hall = workshop.hall

    async def join(call: Call) -> Joined:
        body: Join = call.body
        wish = Wish(body.name, body.token or "", body.technology, body.ready_code)
        return await hall.join(body.code, wish, call.address)

    async def me(call: Call) -> Me:
        return await hall.me(call.who)

    async def ready(call: Call) -> Me:
        return await hall.ready(call.who, call.body.ready_code)

    async def submit(call: Call) -> Submitted:
        return await hall.submit(call.who, call.body.line, call.body.failure)

    async def paste(call: Call) -> Pasted:
        return await hall.paste(call.who, call.body.text)

    p: Role = "participant"
    return [
        Endpoint("POST", "/workshop/join", "Join by code; gives a token", join, Joined)
        .taking(Join)
        .refusing({404: "no session has this code"}),
        Endpoint("GET", "/workshop/me", "Who am I?", me, Me, role=p),
        Endpoint("POST", "/workshop/me/ready", "Say that the preflight passed", ready, Me, role=p).taking(Ready),
        Endpoint("POST", "/workshop/runs", "Send a finished run", submit, Submitted, role=p).taking(Submit),
        Endpoint("POST", "/workshop/me/paste", "Take my own score lines", paste, Pasted, role=p).taking(Paste),
    ]


def _tickets(workshop: Workshop) -> list[Endpoint]:
    desk = workshop.desk

    async def ask(call: Call) -> MyTicket:
        return await desk.ask(call.who)

    async def mine(call: Call) -> MyTicket:
        return await desk.mine(call.who)

    async def leave(call: Call) -> MyTicket:
        return await desk.leave(call.who)

    async def resolve(call: Call) -> Done:
        return await desk.close(call.who, call.params.ticket, "resolved", call.body.text)

    async def escalate(call: Call) -> Done:
        return await desk.close(call.who, call.params.ticket, "escalated", call.body.text)

    async def give_back(call: Call) -> Done:
        return await desk.give_back(call.who, call.params.ticket)

    p: Role = "participant"
    return [
        Endpoint("POST", "/workshop/tickets/request", "Ask for a ticket", ask, MyTicket, role=p).taking(Nothing),
        Endpoint("GET", "/workshop/tickets/mine", "My ticket; a sign of life", mine, MyTicket, role=p),
        Endpoint("POST", "/workshop/tickets/leave", "Leave the line", leave, MyTicket, role=p).taking(Nothing),
        Endpoint("POST", "/workshop/tickets/{ticket}/resolve", "Resolve my ticket", resolve, Done, role=p)
        .at(TicketId)
        .taking(Answer),
        Endpoint("POST", "/workshop/tickets/{ticket}/escalate", "Escalate my ticket", escalate, Done, role=p)
        .at(TicketId)
        .taking(Answer),
        Endpoint("POST", "/workshop/tickets/{ticket}/return", "Give my ticket back", give_back, Done, role=p)
        .at(TicketId)
        .taking(Nothing),
    ]


def _readers(workshop: Workshop) -> list[Endpoint]:
    analytics = workshop.analytics

    async def status(_: Call) -> Metrics:
        return await workshop.hour.status()

    async def board(_: Call) -> Board:
        return (await analytics.room()).board

    async def summary(call: Call) -> Summary:
        return await analytics.summary(call.query.workshop_id)

    async def progress(call: Call) -> Progress:
        return await analytics.progress(call.query.workshop_id)

    async def leaderboard(call: Call) -> Leaderboard:
        through_ice = call.who.role == "facilitator"
        return await analytics.leaderboard(call.query.workshop_id, through_ice=through_ice)

    none = {404: "no such session"}
    base = "/api/workshop/analytics"
    return [
        Endpoint("GET", "/workshop/status", "The session and its figures", status, Metrics),
        Endpoint("GET", "/workshop/board", "What the projector shows", board, Board),
        Endpoint("GET", f"{base}/summary", "The hour in figures", summary, Summary).asking(WorkshopId).refusing(none),
        Endpoint("GET", f"{base}/progress", "Progress of every participant", progress, Progress, role="facilitator")
        .asking(WorkshopId)
        .refusing(none),
        Endpoint("GET", f"{base}/leaderboard", "The whole leaderboard", leaderboard, Leaderboard)
        .asking(WorkshopId)
        .refusing(none),
    ]
