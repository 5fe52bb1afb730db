"""What the workshop's API takes and gives. The names are what pages, driver and OpenAPI see."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from labsvc.rest import Line, Model, Name, Number, Text, Whole, Word, clean
from labsvc.workshop.keys import TOKEN_PATTERN

Token = Annotated[str, Field(pattern=TOKEN_PATTERN)]
Code = Annotated[str, AfterValidator(clean)]
TICKET_ANSWER_LIMIT = 2000


class Shape(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)


# ---------------------------------------------------------------------- what comes in


class Start(Model):
    """A new session."""

    name: Name = "Resilience workshop"
    participant_count: Whole = Field(default=20, ge=1, le=1000, description="people, as announced")
    speed: float = Field(default=1, ge=1, le=600, description="of the session's clock; above 1 for rehearsals")


class Claim(Model):
    token: Token


class Flag(Model):
    on: bool = True


class GoTo(Model):
    segment: Whole | None = Field(default=None, ge=0, le=100, description="index in the plan; without it the next one")


class Join(Model):
    """Somebody comes in."""

    code: Code = Field(min_length=4, max_length=12, description="as the board shows it")
    name: Name
    token: Token | None = Field(default=None, description="of your own making, so that joining can be repeated")
    technology: Line = Field(default="", description="where the stack runs: local, k3d …")
    ready_code: Line = Field(default="", description="what the preflight printed")


class Ready(Model):
    ready_code: Line


class Submit(Model):
    """One finished run: its score line, and what was lost in a few words."""

    line: Text
    failure: Line = ""


class Paste(Model):
    text: str = Field(max_length=200_000, description="a chat's export; what is no score line is ignored")


class Answer(Model):
    """How a ticket was dealt with."""

    text: Text = Field(default="", max_length=TICKET_ANSWER_LIMIT)


class NewName(Model):
    name: Name


class ParticipantId(Model):
    participant: Number


class TicketId(Model):
    ticket: Number


class ScenarioName(Model):
    name: Word


class WorkshopId(Model):
    workshop_id: Number | None = Field(default=None, description="a session; without it the one that runs or ran last")


# ---------------------------------------------------------------------- what goes out


class ClockShape(Shape):
    """The session's clock: at `now_s` (epoch) it says `clock_s`; it runs `speed` seconds a second, or stands."""

    now_s: float
    clock_s: float
    speed: float
    runs: bool


class SegmentShape(Shape):
    id: str
    title: str
    minutes: float
    lab: str | None
    do: str
    types: str


class SessionShape(Shape):
    """A session. A board without a token sees all of it."""

    id: int
    code: str
    name: str
    state: Literal["running", "paused", "ended"]
    is_frozen: bool
    expected: int
    clock: ClockShape
    segment: int
    segment_clock_s: float
    segments: list[SegmentShape]


class TicketCounts(Shape):
    """opened = open + held + resolved + escalated."""

    opened: int
    open: int
    held: int
    resolved: int
    escalated: int
    waiting: int


class PeopleCounts(Shape):
    joined: int
    active: int
    ready: int


class Leader(Shape):
    rank: int
    participant_id: int
    name: str
    total: int
    best: dict[str, int]
    runs: int


class LabCounts(Shape):
    """How far everybody is with one lab."""

    lab: str
    tried: int
    solved: int
    best: int
    mean_best: float


class Recent(Shape):
    name: str
    lab: str
    score: int


class Board(Shape):
    """What the projector shows."""

    session: SessionShape | None
    people: PeopleCounts
    tickets: TicketCounts
    labs: list[LabCounts]
    leaders: list[Leader]
    recent: list[Recent]
    arrived: list[str]  # who joined, the newest first


class PersonShape(Shape):
    """One participant, as the facilitator sees it."""

    id: int
    name: str
    is_here: bool
    ready_code: str
    technology: str
    best: dict[str, int]
    total: int
    runs: int
    last: str  # the last run in words
    stuck: str  # why, "" when not
    holds: int | None
    waits: bool
    handled: int


class Moment(Shape):
    what: str
    detail: str
    at_s: float
    at_clock_s: float


class Room(Shape):
    """What the facilitator sees beside the board."""

    board: Board
    people: list[PersonShape]
    moments: list[Moment]


class Joined(Shape):
    participant_id: int
    name: str
    token: str
    session: SessionShape


class Me(Shape):
    participant_id: int
    name: str
    session: SessionShape


class Renamed(Shape):
    participant_id: int
    name: str  # with a number when somebody else has it


class Submitted(Shape):
    is_new: bool
    lab: str
    run: str
    score: int
    best: int
    rank: int | None


class Pasted(Shape):
    added: int
    known: int
    problems: list[str]


class TicketShape(Shape):
    """A ticket in somebody's hands."""

    id: int
    kind: str
    subject: str
    description: str
    priority: str
    category: str
    response_target_s: float
    held_for_s: float
    tags: list[str]
    order_number: str
    cost_cents: int | None
    state: str
    returns: int


class MyTicket(Shape):
    """The ticket in hand, or the place in the line (0: next), or neither."""

    ticket: TicketShape | None
    ahead: int | None
    handled: int


class Done(Shape):
    ticket: int
    state: str


class Triggered(Shape):
    scenario: str
    status: str


class ParticipantProgress(Shape):
    """As in the source. `challenge_level` is the highest lab that was solved."""

    participant_id: int
    name: str
    challenge_level: str
    technology: str
    tickets_handled: int
    orders_processed: int
    last_activity_s: float


class Progress(Shape):
    participants: list[ParticipantProgress]


class Metrics(Shape):
    """GET /workshop/status: the source's WorkshopMetrics, with the session."""

    session: SessionShape | None
    active_participants: int
    orders_generated: int
    tickets: TicketCounts
    average_response_s: float | None
    scenario_distribution: dict[str, int]


class Success(Shape):
    runs: int
    valid_runs: int
    mean_best: dict[str, float]
    solved: dict[str, int]
    median_solved_after_s: dict[str, float]  # of the session's clock, from the lab's begin


class Summary(Shape):
    workshop_id: int
    name: str
    total_participants: int
    ready_participants: int
    completed_challenges: int
    technology_distribution: dict[str, int]
    success_metrics: Success
    tickets: TicketCounts
    average_response_s: float | None
    scenario_distribution: dict[str, int]


class Leaderboard(Shape):
    is_frozen: bool
    participants: list[Leader]


class Facilitator(Shape):
    is_facilitator: bool


class RunShape(Shape):
    participant: str
    participant_id: int
    lab: str
    run: str
    score: int
    verdict: str


class Export(Shape):
    """Every run and the tickets' books of a session: what a rehearsal checks its own books against."""

    runs: list[RunShape]
    tickets: TicketCounts
    handled: dict[int, int]  # participant → tickets resolved or escalated
